import { readFile } from 'node:fs/promises';
import { fail, show } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import type { BudgetOptions, CostTable } from '../measure/budget/index.ts';
import { UsageError, shapesFrom, type Arguments, type Io, type Options } from './command.ts';
import { engineChoices } from './engine.ts';
import { evidenceFrom, sayingWhere } from './evidence.ts';
import { write } from './files.ts';
import { progressOn } from './progress.ts';
import type { PrunedModel } from './pruning.ts';

/** How fast the network is to be, instead of how sparse. */
export const budgetOptions = {
  speedup: { type: 'string', value: 'N', about: 'prune until it runs N times as fast here as dense, keeping the most score' },
  'budget-ms': { type: 'string', value: 'MS', about: 'prune until a run takes MS milliseconds here; --granularity may list several' },
  costs: { type: 'string', value: 'FILE', about: 'allocate for the device that this cost table is from, without measuring' },
  'save-costs': { type: 'string', value: 'FILE', about: 'write the cost table measured here, as JSON' },
  'provider': { type: 'string', value: 'NAMES', about: 'with a budget: what it is measured on, wasm or webgpu; wasm if absent' },
} satisfies Options;

/** Options that say how sparse a network is to be: with a budget there is nothing left for them to say. */
const decided = ['sparsity', 'scope', 'allocation', 'counting', 'mask', 'mask-name', 'mask-layout', 'strict'];

/** Splits at commas outside of parentheses: `weight,block(4,4),2:4`. */
const names = (list: string | undefined): string[] | undefined => list?.split(/,(?![^()]*\))/).map((name) => name.trim());

/** What is asked for, or undefined where nothing is; checked before any model is read. */
export async function budgetFrom(args: Arguments): Promise<BudgetOptions | undefined> {
  const above = { least: 1e-6 }, speedup = args.number('speedup', above), budgetMs = args.number('budget-ms', above);
  const asked = speedup !== undefined ? '--speedup' : budgetMs !== undefined ? '--budget-ms' : undefined;
  const idle = Object.keys(budgetOptions).find((name) => args.has(name));
  if (!asked) {
    if (idle) throw new UsageError(`--${idle} needs --speedup or --budget-ms`);
    return undefined;
  }
  if (speedup !== undefined && budgetMs !== undefined) throw new UsageError('only one of --speedup and --budget-ms can be given');
  const extra = decided.find((name) => args.has(name));
  if (extra) throw new UsageError(`${asked} decides what goes; leave --${extra} out`);
  const { criteria } = await import('../prune/index.ts');
  const given = {
    speedup, budgetMs, granularities: names(args.text('granularity')), criterion: args.choice('criterion', Object.keys(criteria)),
    floor: args.number('floor', { least: 0, most: 1 }), layers: args.list('layers'), exclude: args.list('exclude'),
    seed: args.number('seed', { least: 0, whole: true }),
    executionProviders: args.chosen('provider', (await engineChoices()).provider.filter((name) => name !== 'auto')),
  };
  const shapes = shapesFrom(args.texts('shape')), chosen = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(chosen), ...(Object.keys(shapes).length && { shapes }) };
}

async function costsIn(path: string): Promise<CostTable> {
  const where = path, needs = 'a cost table as --save-costs writes it', { isCostTable } = await import('../measure/budget/index.ts');
  let costs: unknown;
  try {
    costs = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    return fail({ kind: 'file', where, needs, got: (cause as Error).message, cause });
  }
  return isCostTable(costs) ? costs : fail({ kind: 'file', where, needs, got: show(costs) });
}

/** Prunes to the budget, and shows what it came to. */
export async function budgetedBy(graph: Graph, options: BudgetOptions, { args, io }: { args: Arguments; io: Io }): Promise<PrunedModel> {
  const [{ pruneToBudget }, { budgetText }] = await Promise.all([import('../measure/budget/index.ts'), import('../report/budget.ts')]);
  const table = args.text('costs'), saved = args.text('save-costs'), progress = progressOn(io);
  const costs = table === undefined ? undefined : await costsIn(table);
  const evidence = await evidenceFrom(args, graph, String(options.criterion ?? 'squared'));
  try {
    const result = await sayingWhere(() => pruneToBudget(graph, {
      ...options, ...(table !== undefined && { costs }), ...(evidence && { evidence }), strict: false, onProgress: progress.report,
    }));
    progress.end();
    if (saved) await write(saved, `${JSON.stringify(result.costs, null, 1)}\n`);
    io.out(`${budgetText(result.report, { width: io.width })}\n`);
    const { graph: pruned, masks, report } = result;
    return { graph: pruned, masks, how: { ...options, layers: report.layers }, impossible: report.outcome === 'fastest' };
  } finally {
    progress.end();
  }
}
