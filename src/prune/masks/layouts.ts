import type { Layer } from '../../graph/layers.ts';
import { sameShape, sizeOf, stridesOf, type Shape } from '../../tensor.ts';
import type { Mask } from './mask.ts';

/**
 * How a mask of another shape becomes one of the stored weight: seen as `view`, with dimension i of the result being dimension
 * perm[i] of the view, its elements lie in the order of the stored tensor.
 */
export interface Arrangement {
  readonly view: Shape;
  readonly perm: readonly number[];
}

/** The layer and the shape of its stored weight: [O, I/g, window], [I, O/g, window] or a matrix. */
type Arrange = (mask: Shape, layer: Layer, stored: Shape) => Arrangement | undefined;

const upTo = (length: number): number[] => Array.from({ length }, (_, i) => i);
const asItIs = (stored: Shape): Arrangement => ({ view: stored, perm: upTo(stored.length) });

/** Without the ones behind the first two dimensions: [O, I, 1, 1] is a matrix. */
function squeezed(dims: Shape): Shape {
  let rank = dims.length;
  while (rank > 2 && dims[rank - 1] === 1) rank--;
  return dims.slice(0, rank);
}

/** Where `perm` of `view`, which has the shape of the mask, has the shape of the stored weight. */
function permuted(mask: Shape, stored: Shape, perm: readonly number[]): Arrangement | undefined {
  return mask.length === perm.length && sameShape(perm.map((dim) => mask[dim]), stored) ? { view: mask, perm } : undefined;
}

/** The windows of TensorFlow come first, then [inputs, outputs]: `tail` says which of the last two is which of our first two. */
const behindWindow = (rank: number, tail: readonly [number, number]): number[] =>
  [...tail.map((dim) => rank - 2 + dim), ...upTo(rank - 2)];

/** Of a depthwise layer [window, C, M]: outputs are channel after channel, M each. */
function depthwise(mask: Shape, { groups }: Layer, stored: Shape): Arrangement | undefined {
  const rank = mask.length, [channels, multiplier] = mask.slice(-2), window = mask.slice(0, -2);
  const fits = rank === stored.length && channels === groups && sameShape([channels * multiplier, 1, ...window], stored);
  return fits ? { view: mask, perm: behindWindow(rank, [0, 1]) } : undefined;
}

const isMatrix = (layer: Layer, stored: Shape): boolean => stored.length === 2 && layer.groups === 1;

const inPlace = (mask: Shape, stored: Shape): Arrangement | undefined =>
  (sameShape(squeezed(mask), squeezed(stored)) ? asItIs(stored) : undefined);

/** Who lays out a weight how. A mask is looked at in each layout that it may have. */
export const layouts = {
  /** As the network itself stores it. */
  stored: (mask, _layer, stored) => inPlace(mask, stored),
  /** PyTorch: linear layers [O, I], convolutions [O, I/g, window], transposed ones [I, O/g, window]. */
  torch: (mask, layer, stored) => {
    if (isMatrix(layer, stored) && layer.orientation === 'iohw') return permuted(squeezed(mask), stored, [1, 0]);
    return inPlace(mask, stored);
  },
  /** Keras: dense layers [I, O], convolutions [window, I/g, O], transposed ones [window, O, I], depthwise ones [window, C, M]. */
  keras: (mask, layer, stored) => {
    if (isMatrix(layer, stored)) return permuted(mask, stored, layer.orientation === 'iohw' ? [0, 1] : [1, 0]);
    return permuted(mask, stored, behindWindow(stored.length, [1, 0])) ?? depthwise(mask, layer, stored);
  },
  /** A matrix O × I/g·window, as `.smtx` files hold it. */
  matrix: (mask, { dims: [O, I, height, width], groups, orientation }, stored) => {
    const window = height * width;
    if (!sameShape(mask, [O, I * window])) return undefined;
    return orientation === 'oihw' ? asItIs(stored) : { view: [groups, O / groups, I, window], perm: [0, 2, 1, 3] };
  },
} satisfies Record<string, Arrange>;

/** A row of {@link layouts}. */
export type LayoutName = keyof typeof layouts;

const isUnchanged = ({ perm }: Arrangement): boolean => perm.every((dim, i) => dim === i);

/** Whether two arrangements of one mask put every weight at the same place. */
export function sameArrangement(a: Arrangement, b: Arrangement): boolean {
  if (isUnchanged(a) || isUnchanged(b)) return isUnchanged(a) && isUnchanged(b);
  return sameShape(a.view, b.view) && a.perm.every((dim, i) => dim === b.perm[i]);
}

/** The mask in the order and shape of the stored weight. */
export function arranged(mask: Mask, { view, perm }: Arrangement, stored: Shape): Mask {
  if (isUnchanged({ view, perm })) return sameShape(mask.dims, stored) ? mask : { dims: stored, bits: mask.bits };
  const strides = stridesOf(view), dims = perm.map((dim) => view[dim]), steps = perm.map((dim) => strides[dim]);
  const last = dims.length - 1, run = dims[last], step = steps[last];
  const bits = new Uint8Array(mask.bits.length), index = new Array<number>(last).fill(0);
  for (let at = 0, from = 0, size = sizeOf(dims); at < size; at += run) {
    for (let k = 0, source = from; k < run; k++, source += step) {
      bits[(at + k) >> 3] |= ((mask.bits[source >> 3] >> (source & 7)) & 1) << ((at + k) & 7);
    }
    from += carry(index, dims, steps);
  }
  return { dims: stored, bits };
}

/** Moves the index of all dimensions but the last one on; how far that is in the source. */
function carry(index: number[], dims: readonly number[], steps: readonly number[]): number {
  let moved = 0;
  for (let d = index.length - 1; d >= 0; d--) {
    moved += steps[d];
    if (++index[d] < dims[d]) return moved;
    moved -= steps[d] * dims[d];
    index[d] = 0;
  }
  return moved;
}
