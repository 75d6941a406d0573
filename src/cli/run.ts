import { join } from 'node:path';
import { fail, lookUp } from '../expect.ts';
import type { Graph, ValueInfo } from '../graph/graph.ts';
import { number } from '../measure/words.ts';
import { numbersOf, Tensor, type Shape } from '../tensor.ts';
import { UsageError, checkNames, shapesFrom, splitName, type Arguments, type Command, type Io } from './command.ts';
import { engineChoices, engineFrom, engineOptions, type Engine } from './engine.ts';
import { inFile, makeFolder, readBytes, write } from './files.ts';
import { loadModel, modelChoices, modelOptions } from './model.ts';
import { progressOn } from './progress.ts';

/** What is given for each input: a file or the name of a filling. A lone input needs no name. */
function sourcesFrom(args: Arguments, inputs: readonly ValueInfo[]): Map<string, string> {
  const named = args.texts('input').map((text): [string, string] =>
    (!text.includes('=') && inputs.length === 1 ? [inputs[0].name, text] : splitName(text, 'input', 'NAME=FILE or NAME=random')));
  const stranger = named.find(([name]) => !inputs.some((input) => input.name === name));
  if (stranger) throw new UsageError(`--input needs one of ${inputs.map((input) => input.name).join(', ')}, got '${stranger[0]}'`);
  return new Map(named);
}

/** Raw little-endian float32. */
function floats(bytes: Uint8Array, dims: Shape): Tensor {
  if (bytes.length % 4) return fail({ kind: 'file', where: 'raw file', needs: 'a whole number of float32', got: `${bytes.length} bytes` });
  return new Tensor('float32', new Float32Array(bytes.slice().buffer as ArrayBuffer), dims);
}

interface Wish {
  readonly source: string;
  readonly shape?: Shape;
  readonly seed: number;
}

interface Source {
  readonly dims: Shape;
  readonly tensor: () => Tensor;
}

/** Files are read at once, fillings made up only when the network is known to fit the device. */
async function sourceFor(input: ValueInfo, { source, shape, seed }: Wish): Promise<Source> {
  const { fill, fillings, shapeOf } = await import('../measure/feeds.ts');
  const given = (tensor: Tensor): Source => ({ dims: tensor.dims, tensor: () => tensor });
  if (source.endsWith('.npy')) {
    const bytes = await readBytes(source), { readNpy } = await import('../io/npy.ts');
    return given(inFile(source, () => readNpy(bytes)));
  }
  const dims = shapeOf(input, shape);
  if (source.endsWith('.f32')) {
    const bytes = await readBytes(source);
    return given(inFile(source, () => floats(bytes, dims)));
  }
  lookUp(fillings, source, `filling of input '${input.name}'`);
  return { dims, tensor: () => fill(input, dims, source, seed) };
}

/** `scores float32 [1, 10]: 0.012 … 0.98, mean 0.10` and its largest elements. */
function describe(name: string, tensor: Tensor): string {
  const values = Array.from(numbersOf(tensor));
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const largest = order.slice(0, 5).map((i) => `[${i}] ${number(values[i])}`).join('  ');
  const [least, most] = [order.at(-1)!, order[0]].map((i) => number(values[i]));
  return `${name} ${tensor.type} [${tensor.dims.join(', ')}]: ${least} to ${most}, mean ${number(mean)}\n  largest: ${largest}`;
}

/** A name of a value as a name of a file. */
const fileName = (name: string): string => `${name.replace(/[^\w.-]+/g, '_')}.npy`;

async function put(outputs: Readonly<Record<string, Tensor>>, folder: string | undefined, io: Io): Promise<void> {
  const { writeNpy } = await import('../io/npy.ts');
  for (const [name, tensor] of Object.entries(outputs)) {
    io.out(`${describe(name, tensor)}\n`);
    if (folder) await write(join(folder, fileName(name)), writeNpy(tensor));
  }
}

type Sources = Readonly<Record<string, Source>>;

async function outputsOf(graph: Graph, sources: Sources, engine: Engine, io: Io): Promise<Record<string, Tensor>> {
  const { SparseSession } = await import('../runtime/session.ts');
  const each = <T>(value: (source: Source) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, value(source)]));
  const shapes = each(({ dims }) => dims), progress = progressOn(io);
  const session = await SparseSession.create(graph, { ...engine, shapes, onProgress: progress.report });
  try {
    await session.prepare(shapes);
    return await session.run(each(({ tensor }) => tensor()));
  } finally {
    progress.end();
    session.release();
  }
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    input: { type: 'string', value: '[NAME=]SOURCE', multiple: true, about: 'a .npy or .f32 file, or a filling; sin if absent' },
    output: { type: 'string', short: 'o', value: 'FOLDER', about: 'write each output there as .npy' },
    ...engineOptions,
    ...modelOptions,
  },
  examples: [
    ['burin run model.onnx --input image.npy -o out', 'one input from a file, outputs into a folder'],
    ['burin run zoo:lenet-5-caffe --input random --seed 1', 'made-up weights and input'],
  ],
  choices: async () => {
    const { fillings } = await import('../measure/feeds.ts');
    return { ...(await modelChoices()), filling: Object.keys(fillings), ...(await engineChoices()) };
  },
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const shapes = shapesFrom(args.texts('shape'));
    const seed = args.number('seed', { least: 0, whole: true }) ?? 0;
    const engine = await engineFrom(args);
    const { graph } = await loadModel(spec, seed);
    checkNames(shapes, graph.inputs);
    const wanted = sourcesFrom(args, graph.inputs), sources: Record<string, Source> = {};
    for (const input of graph.inputs) {
      sources[input.name] = await sourceFor(input, { source: wanted.get(input.name) ?? 'sin', shape: shapes[input.name], seed });
    }
    const folder = args.text('output');
    if (folder) await makeFolder(folder);
    const outputs = await outputsOf(graph, sources, engine, io);
    await put(outputs, folder, io);
  },
};
