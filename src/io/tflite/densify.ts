import { expect } from '../../expect.ts';
import { allocate, type DType, type Shape, sizeOf, stridesOf, type TensorData } from '../../tensor.ts';

/** One level of storage: every coordinate (`denseSize` of them), or the listed ones in CSR form. */
export type Level = { readonly denseSize: number } | Csr;
interface Csr { readonly segments: ArrayLike<number>; readonly indices: ArrayLike<number> }

/**
 * How the kept values of a tensor are stored (SparsityParameters of TensorFlow's schema.fbs, after the TACO format). For a tensor of
 * n dimensions with k block dimensions: `traversalOrder` is a permutation of 0 … n+k-1 (n + j is block dimension j), `blockMap[k]`
 * names the tensor dimension each block dimension divides, `levels[n+k]` are in traversal order.
 */
export interface Sparsity {
  readonly traversalOrder: readonly number[];
  readonly blockMap: readonly number[];
  readonly levels: readonly Level[];
}

/** The dense tensor to be; `where` names it in errors. */
export interface Target { readonly type: DType; readonly shape: Shape; readonly sparsity: Sparsity; readonly where: string }

interface Step { readonly size: number; readonly stride: number; readonly level: Level }

function check(condition: unknown, where: string, needs: string, got: string): asserts condition {
  expect(condition, { kind: 'file', where: `${where} sparsity`, needs, got });
}

/** The dense, row-major data of `shape`; what is not stored is 0. @throws BurinError `file` when the parameters contradict themselves. */
export function densify(values: TensorData, { type, shape, sparsity, where }: Target): TensorData {
  const elements = sizeOf(shape);
  let offsets: Float64Array = new Float64Array(1);
  for (const step of stepsOf(shape, sparsity, where)) {
    offsets = 'denseSize' in step.level ? spread(offsets, step) : select(offsets, step, step.level, where);
  }
  check(offsets.length === values.length, where, `${offsets.length} values`, `${values.length}`);
  const dense = allocate(type, elements);
  for (let i = 0; i < offsets.length; i++) dense[offsets[i]] = values[i];
  return dense;
}

/** Size and stride of each level, in traversal order. */
function stepsOf(shape: Shape, { traversalOrder, blockMap, levels }: Sparsity, where: string): Step[] {
  const rank = shape.length;
  const count = rank + blockMap.length;
  check(new Set(blockMap).size === blockMap.length && blockMap.every((d) => Number.isInteger(d) && d >= 0 && d < rank),
    where, `a block map of distinct dimensions below ${rank}`, `[${blockMap}]`);
  check(traversalOrder.length === count && new Set(traversalOrder).size === count && traversalOrder.every((d) => d >= 0 && d < count),
    where, `a traversal order that permutes 0 … ${count - 1}`, `[${traversalOrder}]`);
  check(levels.length === count, where, `${count} dimensions of metadata`, `${levels.length}`);

  const levelOf = (dim: number): Level => levels[traversalOrder.indexOf(dim)];
  const blockLevel = (dim: number) => (blockMap.includes(dim) ? levelOf(rank + blockMap.indexOf(dim)) : undefined);
  const blocks = shape.map((extent, dim) => blockSize(extent, levelOf(dim), blockLevel(dim)));
  const strides = stridesOf(shape);
  return traversalOrder.map((dim, i) => {
    const along = dim < rank ? dim : blockMap[dim - rank];
    const block = blocks[along];
    const divides = Number.isInteger(block) && block > 0 && shape[along] % block === 0;
    check(divides, where, `a block size that divides dimension ${along} of [${shape}]`, `${block}`);
    const size = dim < rank ? shape[along] / block : block;
    const level = levels[i];
    if ('denseSize' in level) check(level.denseSize === size, where, `dense size ${size} along dimension ${dim}`, `${level.denseSize}`);
    return { size, stride: dim < rank ? strides[along] * block : strides[along], level };
  });
}

/** Length of the block along one tensor dimension; from the outer level where the inner one is sparse. 0 when neither tells. */
function blockSize(extent: number, outer: Level, inner: Level | undefined): number {
  if (!inner) return 1;
  if ('denseSize' in inner) return inner.denseSize;
  return 'denseSize' in outer && outer.denseSize > 0 ? extent / outer.denseSize : 0;
}

function spread(offsets: Float64Array, { size, stride }: Step): Float64Array {
  const next = new Float64Array(offsets.length * size);
  for (let i = 0, at = 0; i < offsets.length; i++) {
    for (let c = 0; c < size; c++) next[at++] = offsets[i] + c * stride;
  }
  return next;
}

function select(offsets: Float64Array, { size, stride }: Step, { segments, indices }: Csr, where: string): Float64Array {
  check(segments.length === offsets.length + 1, where, `${offsets.length + 1} segments`, `${segments.length}`);
  const [first, last] = [segments[0], segments[offsets.length]];
  check(first === 0 && last === indices.length, where, `segments from 0 to ${indices.length}`, `${first} … ${last}`);
  const next = new Float64Array(indices.length);
  for (let i = 0; i < offsets.length; i++) {
    check(segments[i] <= segments[i + 1], where, 'segments that never fall', `${segments[i]} then ${segments[i + 1]}`);
    for (let q = segments[i], last = -1; q < segments[i + 1]; last = indices[q++]) {
      check(indices[q] > last && indices[q] < size, where, `rising indices below ${size}`, `${indices[q]} after ${last}`);
      next[q] = offsets[i] + indices[q] * stride;
    }
  }
  return next;
}
