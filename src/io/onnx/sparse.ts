import { create } from '@bufbuild/protobuf';
import { SparseTensorProtoSchema, type SparseTensorProto } from 'onnx-buf';
import { expect, fail } from '../../expect.ts';
import { allocate, numbersOf, sizeOf, stridesOf, Tensor } from '../../tensor.ts';
import { dimsOf, tensorOf, tensorProto } from './tensor.ts';

/** How many elements the sparse tensors of one file may still unfold to. */
export interface Budget {
  elements: number;
}

/**
 * A sparse tensor claims its dense size without having the bytes for it. A file may unfold to 1024 elements a byte (a
 * thousandth of the weights kept is beyond any pruning) and 4 million more, at most 2^28 (1 GiB of float32).
 */
export function budgetOf(fileBytes: number): Budget {
  return { elements: Math.min(2 ** 28, 2 ** 22 + 1024 * fileBytes) };
}

/** A sparse tensor of the file, unfolded: values[nnz] at linear indices[nnz] or coordinates indices[nnz, rank]. */
export function sparseTensorOf(proto: SparseTensorProto, budget: Budget, where: string): Tensor {
  const place = `${where} '${proto.values?.name ?? ''}' [${proto.dims}]`;
  const dims = dimsOf(proto.dims, place);
  if (!proto.values) return fail({ kind: 'file', where: place, needs: 'values', got: 'none' });
  const values = tensorOf(proto.values, `${place} values`);
  const indices = proto.indices ? tensorOf(proto.indices, `${place} indices`) : new Tensor('int64', [], [0]);
  const positions = linear(indices, dims, { nnz: values.size, place });
  const size = sizeOf(dims);
  const needs = `at most ${budget.elements} elements in a file of this size`;
  expect(size <= budget.elements, { kind: 'limit', where: place, needs, got: `${size}` });
  budget.elements -= size;
  const data = allocate(values.type, size);
  positions.forEach((position, i) => { data[position] = values.data[i]; });
  return new Tensor(values.type, data, dims);
}

/** Linear positions, checked to be inside the tensor and ascending, as the format demands. */
function linear(indices: Tensor, dims: readonly number[], need: { nnz: number; place: string }): number[] {
  const { nnz, place } = need;
  const width = indices.dims.length === 2 ? dims.length : 1;
  const fits = indices.dims.length <= 2 && indices.size === nnz * width && (indices.dims.length < 2 || indices.dims[1] === width);
  expect(fits, { kind: 'file', where: place, needs: `indices [${nnz}] or [${nnz}, ${dims.length}]`, got: `[${indices.dims}]` });
  const numbers = numbersOf(indices);
  const [extents, strides] = indices.dims.length === 2 ? [dims, stridesOf(dims)] : [[sizeOf(dims)], [1]];
  const positions = new Array<number>(nnz);
  for (let i = 0, last = -1; i < nnz; last = positions[i++]) {
    positions[i] = 0;
    for (let d = 0; d < width; d++) {
      const index = numbers[i * width + d];
      const inside = index >= 0 && index < extents[d];
      if (!inside) fail({ kind: 'file', where: `${place} index ${i}`, needs: `0 to ${extents[d] - 1}`, got: `${index}` });
      positions[i] += index * strides[d];
    }
    const got = positions[i];
    if (got <= last) fail({ kind: 'file', where: `${place} index ${i}`, needs: 'ascending positions', got: `${got} after ${last}` });
  }
  return positions;
}

/**
 * The sparse form of a float32 tensor, or undefined where it is not smaller: a kept weight takes 12 bytes (value and
 * int64 index) instead of 4, so it pays from two thirds of zeros on.
 */
export function sparseTensorProto(tensor: Tensor, name: string): SparseTensorProto | undefined {
  if (tensor.type !== 'float32') return undefined;
  const data = tensor.data as Float32Array;
  let nnz = 0;
  for (const value of data) nnz += value === 0 ? 0 : 1;
  if (nnz * 12 >= data.byteLength) return undefined;
  const values = new Float32Array(nnz);
  const indices = new BigInt64Array(nnz);
  for (let i = 0, at = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    values[at] = data[i];
    indices[at++] = BigInt(i);
  }
  return create(SparseTensorProtoSchema, {
    dims: tensor.dims.map(BigInt),
    values: tensorProto(new Tensor('float32', values), name),
    indices: tensorProto(new Tensor('int64', indices), `${name}_indices`),
  });
}
