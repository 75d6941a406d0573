import { fail } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import type { ReadOnnxOptions, WriteOnnxOptions } from './onnx/index.ts';

/** Four bytes at offset 4 of every TensorFlow Lite file. */
const TFLITE_MARK = 'TFL3';

const looksLikeTflite = (bytes: Uint8Array): boolean => bytes.length >= 8 && String.fromCharCode(...bytes.subarray(4, 8)) === TFLITE_MARK;

/** Whether bytes begin as those of a model: the mark of TFLite, or the first field of an ONNX file, its version. */
export const looksLikeModel = (bytes: Uint8Array): boolean => looksLikeTflite(bytes) || bytes[0] === 0x08;

/**
 * A model file as a graph. The kind of file is told by its content; its reader is loaded only then.
 * @throws BurinError `file` for bytes that are neither ONNX nor TFLite
 */
export async function readModel(model: Uint8Array | ArrayBuffer, options: ReadOnnxOptions = {}): Promise<Graph> {
  const bytes = model instanceof Uint8Array ? model : new Uint8Array(model);
  if (bytes.length === 0) fail({ kind: 'file', where: options.name ?? 'model', needs: 'an ONNX or TFLite file', got: 'no bytes' });
  if (looksLikeTflite(bytes)) return (await import('./tflite/index.ts')).readTflite(bytes, options);
  return (await import('./onnx/index.ts')).readOnnx(bytes, options);
}

/**
 * A graph as an ONNX file, pruned weights as zeros or, with `sparse`, as sparse initializers where that is smaller.
 * The writer is loaded only then.
 */
export async function writeModel(graph: Graph, options: WriteOnnxOptions = {}): Promise<Uint8Array> {
  return (await import('./onnx/index.ts')).writeOnnx(graph, options);
}
