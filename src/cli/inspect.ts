import type { Graph } from '../graph/graph.ts';
import type { ProfileOptions } from '../measure/profile.ts';
import { count, percent } from '../measure/words.ts';
import type { Inspection } from '../measure/work.ts';
import type { Views } from '../report/inspection.ts';
import type { TableColumn } from '../report/text.ts';
import { UsageError, checkNames, shapesFrom, type Arguments, type Command, type Io } from './command.ts';
import { expectFolders, write } from './files.ts';
import { loadModel, modelChoices, modelOptions } from './model.ts';

function printTotals({ model, convention, totals }: Inspection, io: Io): void {
  const zeros = percent(totals.params ? 1 - totals.nonzeroParams / totals.params : 0);
  const params = `${count(totals.params)} parameters (${totals.params}), ${zeros} zeros`;
  io.out(`${model}: ${params}, ${count(totals.macs)} (${totals.macs}) by ${convention}\n`);
}

async function printLayers({ convention, totals, layers }: Inspection, io: Io): Promise<void> {
  const { textTable } = await import('../report/text.ts');
  const column = (head: string, cells: string[], spare = 0): TableColumn => ({ head, cells, right: true, spare });
  const table = textTable([
    { ...column('layer', layers.map((layer) => layer.name)), right: false },
    { ...column('operation', layers.map((layer) => layer.op), 1), right: false },
    column('parameters', layers.map((layer) => String(layer.params))),
    column('zeros', layers.map((layer) => (layer.params ? percent(1 - layer.nonzero / layer.params) : ''))),
    column(convention, layers.map((layer) => String(layer.macs))),
    column('share', layers.map((layer) => percent(totals.macs ? layer.macs / totals.macs : 0)), 2),
  ], io.width);
  io.out(`\n${table}\n`);
}

type Form = (views: Views) => Promise<string>;

/** What a file's ending asks for. */
const forms = {
  html: async (views) => (await import('../report/inspection.ts')).inspectionHtml(views),
  svg: async (views) => (await import('../report/inspection.ts')).inspectionSvg(views),
  md: async (views) => (await import('../report/inspection-markdown.ts')).inspectionMarkdown(views),
} satisfies Record<string, Form>;

interface Asked {
  readonly profile: boolean;
  readonly bytes: boolean;
  readonly ops?: readonly string[];
  readonly output?: { readonly path: string; readonly form: Form };
}

function askedFrom(args: Arguments): Asked {
  const path = args.text('output'), ending = path?.split('.').at(-1) ?? '';
  if (path !== undefined && !Object.hasOwn(forms, ending)) {
    throw new UsageError(`-o needs a file that ends in ${Object.keys(forms).map((form) => `.${form}`).join(', ')}, got '${path}'`);
  }
  const bytes = args.has('bytes'), profile = args.has('profile') || (path !== undefined && !bytes);
  if (args.has('op') && !profile) throw new UsageError('--op needs --profile');
  const output = path === undefined ? undefined : { path, form: forms[ending as keyof typeof forms] };
  return { profile, bytes, ops: args.list('op'), output };
}

/** The views that were asked for. */
async function viewsOf(model: string, graph: Graph, asked: Asked & ProfileOptions): Promise<Views> {
  const { profile, bytes, ops, shapes, convention } = asked;
  const { profileOf } = await import('../measure/profile.ts');
  const { bytesOf } = await import('../measure/bytes.ts');
  return {
    model,
    ...(profile && { profile: { ...profileOf(graph, { ops, shapes, convention }), model } }),
    ...(bytes && { bytes: { ...bytesOf(graph), model } }),
  };
}

async function printViews({ profile, bytes }: Views, io: Io): Promise<void> {
  const { profileText, bytesText } = await import('../report/inspection-text.ts');
  if (profile) io.out(`\n${profileText(profile, io.width)}\n`);
  if (bytes) io.out(`\n${bytesText(bytes, io.width)}\n`);
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    convention: { type: 'string', value: 'NAME', about: 'how operations are counted; macs if absent' },
    shape: { type: 'string', value: 'NAME=1x3x48x192', multiple: true, about: 'shape of an input whose file leaves it open; repeatable' },
    ...modelOptions,
    profile: { type: 'boolean', about: 'where the parameters and the work are: share of each layer, and what its zeros leave' },
    op: { type: 'string', value: 'Conv,Gemm', about: 'with --profile: only layers of these operators, and shares among them' },
    bytes: { type: 'boolean', about: 'bytes of the weights, dense and packed in each format, and the smallest' },
    output: { type: 'string', short: 'o', value: 'FILE', about: 'write the profile (or --bytes) with plots: .html, .svg, or .md' },
    json: { type: 'boolean', about: 'print the record as JSON' },
  },
  examples: [
    ['burin inspect model.onnx', 'what is in a model'],
    ['burin inspect zoo:vgg16 --convention ptflops --json', 'the same numbers as ptflops'],
    ['burin inspect zoo:vgg16-bn-cifar --profile --op Conv', 'where the parameters of the convolutions are, and where their work'],
    ['burin inspect pruned.onnx --profile --bytes -o pruned.html', 'what is left of each layer and what it takes in memory, as a page'],
  ],
  choices: async () => ({ ...(await modelChoices()), convention: Object.keys((await import('../measure/conventions.ts')).conventions) }),
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const shapes = shapesFrom(args.texts('shape'));
    const seed = args.number('seed', { least: 0, whole: true }) ?? 0;
    const { inspect } = await import('../measure/work.ts');
    const { conventions } = await import('../measure/conventions.ts');
    const convention = args.choice('convention', Object.keys(conventions)) as keyof typeof conventions | undefined;
    const asked = askedFrom(args);
    await expectFolders([asked.output?.path]);
    const { name, graph } = await loadModel(spec, seed);
    checkNames(shapes, graph.inputs);
    const { shapeOf } = await import('../measure/feeds.ts');
    for (const input of graph.inputs) shapeOf(input, shapes[input.name]);
    const record = { ...inspect(graph, { convention, shapes }), model: name };
    const views = await viewsOf(name, graph, { ...asked, convention, shapes });
    if (asked.output) await write(asked.output.path, await asked.output.form(views));
    if (args.has('json')) return io.out(`${JSON.stringify({ ...record, ...views }, null, 2)}\n`);
    printTotals(record, io);
    if (asked.profile || asked.bytes) await printViews(views, io);
    else await printLayers(record, io);
    if (asked.output) io.out(`\n${asked.output.path}\n`);
  },
};
