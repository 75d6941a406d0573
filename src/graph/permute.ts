import { allocate, type Shape, stridesOf, Tensor } from '../tensor.ts';

/** `perm` as Transpose means it: dimension i of the result is dimension perm[i] of the source. */
export type Permutation = readonly number[];

/** The shape (or any list with one entry a dimension) after the permutation. */
export function permuteList<T>(list: readonly T[], perm: Permutation): T[] {
  return perm.map((dim) => list[dim]);
}

/** The permutation that undoes `perm`. */
export function inverse(perm: Permutation): number[] {
  const back = new Array<number>(perm.length);
  perm.forEach((dim, i) => { back[dim] = i; });
  return back;
}

export function isIdentity(perm: Permutation): boolean {
  return perm.every((dim, i) => dim === i);
}

/** A copy of the tensor with its dimensions in another order; the tensor itself when the order is the same. */
export function permuteTensor(tensor: Tensor, perm: Permutation): Tensor {
  if (isIdentity(perm)) return tensor;
  const dims = permuteList(tensor.dims, perm);
  const data = allocate(tensor.type, tensor.size);
  const steps = permuteList(stridesOf(tensor.dims), perm);
  const index = new Array<number>(dims.length).fill(0);
  for (let i = 0, from = 0; i < tensor.size; i++) {
    data[i] = tensor.data[from];
    from += advance(index, dims, steps);
  }
  return new Tensor(tensor.type, data, dims);
}

/** Moves `index` one element on in row-major order and returns how far that is in the source. */
function advance(index: number[], dims: Shape, steps: readonly number[]): number {
  let moved = 0;
  for (let d = dims.length - 1; d >= 0; d--) {
    moved += steps[d];
    if (++index[d] < dims[d]) return moved;
    moved -= steps[d] * dims[d];
    index[d] = 0;
  }
  return moved;
}
