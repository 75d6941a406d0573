import { join } from 'node:path';
import { fail } from '../expect.ts';
import type { ValueInfo } from '../graph/graph.ts';
import { number } from '../measure/words.ts';
import { numbersOf, Tensor, type Shape } from '../tensor.ts';
import { UsageError, shapesFrom, splitName, type Arguments, type Command, type Io } from './command.ts';
import { engineChoices, engineFrom, engineOptions } from './engine.ts';
import { makeFolder, readBytes, write } from './files.ts';
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
function floats(bytes: Uint8Array, path: string): Float32Array {
  if (bytes.length % 4) return fail({ kind: 'file', where: path, needs: 'a whole number of float32', got: `${bytes.length} bytes` });
  return new Float32Array(bytes.slice().buffer as ArrayBuffer);
}

interface Wish {
  readonly source: string;
  readonly shape?: Shape;
  readonly seed: number;
}

async function tensorFor(input: ValueInfo, { source, shape, seed }: Wish): Promise<Tensor> {
  const { fill, shapeOf } = await import('../measure/feeds.ts');
  if (source.endsWith('.npy')) return (await import('../io/npy.ts')).readNpy(await readBytes(source));
  if (source.endsWith('.f32')) return new Tensor('float32', floats(await readBytes(source), source), shapeOf(input, shape));
  return fill(input, shapeOf(input, shape), source, seed);
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

async function put(outputs: Readonly<Record<string, Tensor>>, args: Arguments, io: Io): Promise<void> {
  const folder = args.text('output');
  if (folder) await makeFolder(folder);
  const { writeNpy } = await import('../io/npy.ts');
  for (const [name, tensor] of Object.entries(outputs)) {
    io.out(`${describe(name, tensor)}\n`);
    if (folder) await write(join(folder, fileName(name)), writeNpy(tensor));
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
    const sources = sourcesFrom(args, graph.inputs);
    const feeds: Record<string, Tensor> = {};
    for (const input of graph.inputs) {
      feeds[input.name] = await tensorFor(input, { source: sources.get(input.name) ?? 'sin', shape: shapes[input.name], seed });
    }
    const { SparseSession } = await import('../runtime/session.ts');
    const progress = progressOn(io);
    const dims = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.dims]));
    const session = await SparseSession.create(graph, { ...engine, shapes: dims, onProgress: progress.report });
    try {
      const outputs = await session.run(feeds);
      progress.end();
      await put(outputs, args, io);
    } finally {
      progress.end();
      session.release();
    }
  },
};
