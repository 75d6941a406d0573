import { expect, fail } from '../../expect.ts';
import { bytesOf, checkShape, type DType, dtypes, numbersOf, sizeOf, Tensor, type TensorData } from '../../tensor.ts';
import { widenHalf } from '../bytes.ts';
import { densify, type Level, type Sparsity } from './densify.ts';
import type { Late } from './flat.ts';
import { type FileSparsity, type FileSubgraph, type FileTensor, indexVectors, type Model, tensorTypes } from './schema.ts';

/** A decoded file. `left` is how many elements its constants may still unfold to. */
export interface File {
  readonly bytes: Uint8Array;
  readonly model: Model;
  readonly graph: FileSubgraph;
  left: number;
}

const half = 1;
/** Real networks stay far below 128 dense elements a byte of file (99 % zeros of f16 with u8 indices is 33); damaged shapes do not. */
export const mostElements = (bytes: Uint8Array): number => 2 ** 20 + 128 * bytes.length;
const mostDimensions = 8;

const quantizedTypes = new Set([3, 7, 9, 17]);

/** Whether the tensor holds integers that stand for real numbers. */
export function isQuantized({ type, quantization }: FileTensor): boolean {
  return quantizedTypes.has(type) && (quantization?.scale?.length ?? 0) > 0;
}

/** What the tensor's elements are here. */
export function typeOf({ type, name }: FileTensor): DType {
  return tensorTypes[type]?.type ?? fail({
    kind: 'unsupported', where: `tensor '${name}'`, needs: Object.values(tensorTypes).filter((t) => t.type).map((t) => t.name).join(', '),
    got: `type ${type} (${tensorTypes[type]?.name ?? 'unknown'})`,
  });
}

/** The constant data of a tensor, float16 widened and sparse storage filled in; undefined when the file holds none. */
export function loadTensor(file: File, index: number): Tensor | undefined {
  const tensor = file.graph.tensors[index];
  const where = `tensor '${tensor.name}'`;
  const shape = tensor.shape ?? [];
  const { length } = shape;
  expect(length <= mostDimensions, { kind: 'limit', where, needs: `at most ${mostDimensions} dimensions`, got: `${length}` });
  checkShape(shape, where);
  const raw = bufferOf(file, tensor, where);
  const elements = sizeOf(shape);
  if (raw.length === 0 && elements > 0) return undefined;
  file.left -= elements;
  expect(file.left >= 0, {
    kind: 'limit', where: `${where} [${shape}]`, needs: `constants of at most ${mostElements(file.bytes)} elements in all`, got: 'more',
  });
  const type = typeOf(tensor);
  const values = elementsOf(raw, tensor.type === half, type, where);
  if (!tensor.sparsity) return new Tensor(type, values, shape);
  return new Tensor(type, densify(values, { type, shape, sparsity: sparsityOf(tensor.sparsity, where), where }), shape);
}

function bufferOf({ model, bytes }: File, { buffer }: FileTensor, where: string): Uint8Array {
  const { data, offset, size } = model.buffers[buffer] ?? fail({
    kind: 'file', where, needs: `a buffer below ${model.buffers.length}`, got: `${buffer}`,
  });
  if (offset <= 1) return data;
  expect(offset + size <= bytes.length, {
    kind: 'file', where, needs: `${size} bytes at byte ${offset}`, got: `a file of ${bytes.length} bytes`,
  });
  return bytes.subarray(offset, offset + size);
}

function elementsOf(raw: Uint8Array, isHalf: boolean, type: DType, where: string): TensorData {
  const width = isHalf ? 2 : bytesOf(type);
  expect(raw.length % width === 0, { kind: 'file', where, needs: `data in elements of ${width} bytes`, got: `${raw.length} bytes` });
  const aligned = new Uint8Array(raw).buffer;
  return isHalf ? widenHalf(new Uint16Array(aligned)) : new dtypes[type](aligned);
}

function sparsityOf(file: FileSparsity, where: string): Sparsity {
  const levels = file.dimensions.map((dim, i): Level => {
    const at = `${where} sparsity dimension ${i}`;
    if (dim.format === 0) return { denseSize: dim.denseSize };
    expect(dim.format === 1, { kind: 'file', where: at, needs: 'format 0 (dense) or 1 (CSR)', got: `${dim.format}` });
    return {
      segments: indexVector(dim.segmentsKind, dim.segments, `${at} segments`),
      indices: indexVector(dim.indicesKind, dim.indices, `${at} indices`),
    };
  });
  return { traversalOrder: file.traversalOrder ?? [], blockMap: file.blockMap ?? [], levels };
}

function indexVector(kind: number, vector: Late, where: string): number[] {
  const needs = `an index vector of kind ${Object.keys(indexVectors).join(', ')}`;
  const fields = indexVectors[kind] ?? fail({ kind: 'file', where, needs, got: `${kind}` });
  return vector(fields).values ?? [];
}

/**
 * The real numbers a quantised constant stands for, scale · (q - zero point), one scale for all or one along a dimension
 * (TensorFlow's quantization specification); float32 of anything that is not quantised.
 */
export function dequantize(tensor: Tensor, quantization: FileTensor['quantization'], where: string): Tensor {
  const scales = quantization?.scale ?? [];
  if (tensor.type === 'float32') return tensor;
  if (scales.length === 0) return new Tensor('float32', Float32Array.from(numbersOf(tensor)), tensor.dims);
  const axis = quantization?.axis ?? 0;
  const channels = scales.length === 1 ? 1 : tensor.dims[axis];
  expect(channels === scales.length, { kind: 'file', where, needs: `${channels} scales along dimension ${axis}`, got: `${scales.length}` });
  const run = scales.length === 1 ? tensor.size : sizeOf(tensor.dims.slice(axis + 1));
  const zeros = quantization?.zeroPoint ?? [];
  const numbers = numbersOf(tensor);
  const real = Float32Array.from({ length: tensor.size }, (_, i) => {
    const channel = Math.floor(i / run) % channels;
    return scales[channel] * (numbers[i] - (zeros[channel] ?? zeros[0] ?? 0));
  });
  return new Tensor('float32', real, tensor.dims);
}
