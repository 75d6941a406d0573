import { basename } from 'node:path';
import type { Graph } from '../graph/graph.ts';
import type { Pruning, Report } from '../measure/record.ts';
import { UsageError, checkNames, shapesFrom, type Arguments, type Command, type Io } from './command.ts';
import { sayingWhere } from './evidence.ts';
import { engineChoices, engineFrom, engineOptions, type Engine } from './engine.ts';
import { expectFolders, write } from './files.ts';
import { loadModel, modelChoices, modelOptions, type Model } from './model.ts';
import { progressOn } from './progress.ts';
import { isAsked, prunedBy, pruningChoices, pruningFrom, pruningOptions, sparsityOf, type PruningPlan } from './pruning.ts';

interface Plan extends Engine {
  readonly samples?: number;
  readonly shapes: Record<string, number[]>;
  readonly pruning: PruningPlan;
  readonly sparsities?: readonly number[];
}

async function planFrom(args: Arguments): Promise<Plan> {
  const plan = {
    samples: args.number('samples', { least: 1, most: 100_000, whole: true }),
    shapes: shapesFrom(args.texts('shape')),
    pruning: await pruningFrom(args),
    sparsities: args.numbers('sweep', { least: 0, most: 1 }),
  };
  const { manner, mask } = plan.pruning;
  const fixed = manner.scope.includes(':');
  if (plan.sparsities && mask) throw new UsageError('--sweep prunes by itself; leave --mask out');
  if (plan.sparsities && fixed) throw new UsageError(`--sweep needs --scope layer, row or model, got '${manner.scope}'`);
  const paths = ['json', 'html', 'markdown'].map((name) => args.text(name));
  if (paths.filter((path) => path === '-').length > 1) throw new UsageError('only one of --json, --html, --markdown can be -');
  await expectFolders(paths.filter((path) => path !== '-'));
  return { ...plan, ...(await engineFrom(args)) };
}

/** How the network was pruned, for the record; of sparsities by layer what they come to. */
function recorded(pruned: Graph, { manner, sparsity, mask }: PruningPlan): Pruning {
  if (mask) return { criterion: `the mask ${basename(mask.path)}`, granularity: 'any', scope: 'any', sparsity: sparsityOf(pruned) };
  const { criterion, granularity = 'weight', scope, allocation } = manner, usual = allocation === 'lamp' ? 'squared' : 'magnitude';
  return {
    criterion: String(criterion ?? usual), granularity: String(granularity), scope, ...(allocation && { allocation: String(allocation) }),
    sparsity: typeof sparsity === 'number' ? sparsity : sparsityOf(pruned),
  };
}

async function reportOf({ name, graph }: Model, plan: Plan, io: Io): Promise<Report> {
  const { measure, sweep } = await import('../measure/speedup.ts');
  const { pruning: asked, sparsities, ...options } = plan;
  const progress = progressOn(io);
  const given = { ...options, onProgress: progress.report };
  try {
    const pruned = isAsked(asked) ? (await prunedBy(graph, asked, io)).graph : graph;
    const pruning = isAsked(asked) ? recorded(pruned, asked) : undefined;
    const report = await measure(pruned, { ...given, model: name, pruning });
    if (!sparsities) return report;
    const manner = { ...asked.manner, evidence: await asked.evidence(graph) };
    return { ...report, ...(await sayingWhere(() => sweep(graph, sparsities, { ...given, pruning: manner }))) };
  } finally {
    progress.end();
  }
}

/** Layers shown in the terminal unless all are asked for. */
const shownLayers = 20;

async function put(report: Report, args: Arguments, io: Io): Promise<void> {
  const forms = {
    json: async () => (await import('../report/json.ts')).reportJson(report),
    html: async () => (await import('../report/html.ts')).htmlPage([report]),
    markdown: async () => (await import('../report/markdown.ts')).reportMarkdown(report),
  };
  let silent = false;
  for (const [name, form] of Object.entries(forms)) {
    const path = args.text(name);
    if (path === '-') {
      io.out(await form());
      silent = true;
    } else if (path) await write(path, await form());
  }
  if (silent) return;
  const { reportText } = await import('../report/text.ts');
  io.out(reportText(report, { width: io.width, color: io.color, layers: args.has('all') ? Infinity : shownLayers }));
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    ...pruningOptions,
    ...engineOptions,
    ...modelOptions,
    samples: { type: 'string', value: 'N', about: 'timed runs of each edition; 30 if absent' },
    sweep: { type: 'string', value: '0.5,0.7,0.9', about: 'also measure speedup over these sparsities and search the break-even' },
    all: { type: 'boolean', about: `show every layer, not only the ${shownLayers} slowest` },
    json: { type: 'string', value: 'FILE', about: 'write the record as JSON; - for standard output instead of the table' },
    html: { type: 'string', value: 'FILE', about: 'write a page with plots; - as above' },
    markdown: { type: 'string', value: 'FILE', about: 'write Markdown; - as above' },
  },
  examples: [
    ['burin report pruned.tflite --html report.html', 'what the zeros of a model are worth here'],
    ['burin report model.onnx --sparsity 0.9 --granularity block_rows:4', 'prune, then measure'],
    ['burin report zoo:resnet18 --scope 2:4 --format nm', 'two kept of four, in one format'],
    ['burin report model.onnx --shape x=1x3x48x192 --sweep 0.5,0.7,0.9', 'speedup over sparsity'],
  ],
  choices: async () => ({ ...(await modelChoices()), ...(await pruningChoices()), ...(await engineChoices()) }),
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const plan = await planFrom(args);
    const model = await loadModel(spec, plan.pruning.manner.seed);
    checkNames(plan.shapes, model.graph.inputs);
    await put(await reportOf(model, plan, io), args, io);
  },
};
