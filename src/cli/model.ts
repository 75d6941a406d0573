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

/** Data that an ONNX file keeps beside itself is read from its folder. */
async function fileModel(path: string): Promise<Model> {
  const { readModel } = await import('../io/index.ts');
  const options = { name: basename(path), external: (local: string) => readFileSync(join(dirname(path), local)) };
  return { name: basename(path, extname(path)), graph: await readModel(await readBytes(path), options) };
}

/** The network that MODEL names. @throws BurinError when there is none or it cannot be read */
export async function loadModel(spec: string, seed = 0): Promise<Model> {
  return spec.startsWith('zoo:') ? zooModel(spec.slice(4), seed) : fileModel(spec);
}
