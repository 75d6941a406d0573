import { readFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Graph } from '../graph/graph.ts';
import { UsageError, type Option } from './command.ts';
import { readBytes } from './files.ts';

/** What MODEL may be, for the help. */
export async function modelChoices(): Promise<Record<string, readonly string[]>> {
  const { zoo } = await import('../graph/zoo/index.ts');
  return { MODEL: ['FILE.onnx', 'FILE.tflite', 'zoo:NAME', 'zoo:NAME@PIXELS for another image size'], zoo: Object.keys(zoo) };
}

export interface Model {
  readonly name: string;
  readonly graph: Graph;
}

/** Options of every command that reads a model. */
export const modelOptions = {
  seed: { type: 'string', value: 'N', about: 'seed of everything random; 0 if absent' },
} satisfies Record<string, Option>;

async function zooModel(spec: string, seed: number): Promise<Model> {
  const [name, pixels] = spec.split('@');
  const whole = pixels === undefined || /^[1-9]\d{0,4}$/.test(pixels);
  if (!whole) throw new UsageError(`zoo:NAME@PIXELS needs a whole number of pixels, got '${pixels}'`);
  const { zooGraph } = await import('../graph/zoo/index.ts');
  return { name: spec, graph: zooGraph(name, { seed, ...(pixels && { input: Number(pixels) }) }) };
}

/** Byte 4 of every TFLite file. */
const isTflite = (bytes: Uint8Array): boolean => String.fromCharCode(...bytes.subarray(4, 8)) === 'TFL3';

async function graphFrom(bytes: Uint8Array, path: string): Promise<Graph> {
  if (isTflite(bytes) || extname(path) === '.tflite') return (await import('../io/tflite/index.ts')).readTflite(bytes);
  const { readOnnx } = await import('../io/onnx/index.ts');
  return readOnnx(bytes, { name: basename(path), external: (local) => readFileSync(join(dirname(path), local)) });
}

/** The network that MODEL names. @throws BurinError when there is none or it cannot be read */
export async function loadModel(spec: string, seed = 0): Promise<Model> {
  if (spec.startsWith('zoo:')) return zooModel(spec.slice(4), seed);
  return { name: basename(spec, extname(spec)), graph: await graphFrom(await readBytes(spec), spec) };
}
