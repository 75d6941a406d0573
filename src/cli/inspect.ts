import { count, percent } from '../measure/words.ts';
import type { Inspection } from '../measure/work.ts';
import type { TableColumn } from '../report/text.ts';
import { checkNames, shapesFrom, type Command, type Io } from './command.ts';
import { loadModel, modelChoices, modelOptions } from './model.ts';

async function print({ model, convention, totals, layers }: Inspection, io: Io): Promise<void> {
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
  const zeros = percent(totals.params ? 1 - totals.nonzeroParams / totals.params : 0);
  const params = `${count(totals.params)} parameters (${totals.params}), ${zeros} zeros`;
  io.out(`${model}: ${params}, ${count(totals.macs)} (${totals.macs}) by ${convention}\n\n${table}\n`);
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    convention: { type: 'string', value: 'NAME', about: 'how operations are counted; macs if absent' },
    shape: { type: 'string', value: 'NAME=1x3x48x192', multiple: true, about: 'shape of an input whose file leaves it open; repeatable' },
    ...modelOptions,
    json: { type: 'boolean', about: 'print the record as JSON' },
  },
  examples: [
    ['burin inspect model.onnx', 'what is in a model'],
    ['burin inspect zoo:vgg16 --convention ptflops --json', 'the same numbers as ptflops'],
  ],
  choices: async () => ({ ...(await modelChoices()), convention: Object.keys((await import('../measure/conventions.ts')).conventions) }),
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const shapes = shapesFrom(args.texts('shape'));
    const seed = args.number('seed', { least: 0, whole: true }) ?? 0;
    const { inspect } = await import('../measure/work.ts');
    const { conventions } = await import('../measure/conventions.ts');
    const convention = args.choice('convention', Object.keys(conventions)) as keyof typeof conventions | undefined;
    const { name, graph } = await loadModel(spec, seed);
    checkNames(shapes, graph.inputs);
    const { shapeOf } = await import('../measure/feeds.ts');
    for (const input of graph.inputs) shapeOf(input, shapes[input.name]);
    const record = { ...inspect(graph, { convention: convention ?? 'macs', shapes }), model: name };
    if (args.has('json')) io.out(`${JSON.stringify(record, null, 2)}\n`);
    else await print(record, io);
  },
};
