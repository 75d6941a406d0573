import type { ConvWindow } from '../../graph/ops/window.ts';
import type { Factor } from './weight.ts';

/** Floats from one product to the next, from one row to the next and from one column to the next. */
export interface Steps {
  readonly step: number;
  readonly row: number;
  readonly col: number;
}

/** What a weight is multiplied with, apart from the buffers: `images` times, for each of its groups, C[M×N] = A[M×K]·B[K×N]. */
export interface Problem {
  readonly images: number;
  /** Floats of A from one image to the next; 0 where all have the same. */
  readonly a: number;
  /** N, of one product. */
  readonly columns: number;
  /** Where B and C lie; a convolution's B has a channel for a row. */
  readonly b: Steps;
  readonly c: Steps;
  /** Where B is what a window sees of an image. */
  readonly window?: ConvWindow;
}

/** M and K of a factor. */
type Sizes = Pick<Factor, 'rows'> & { readonly packed: Pick<Factor['packed'], 'cols'> };

/** C[M×N] = A·B with all rows contiguous, `images` times. */
export function productProblem({ rows, packed }: Sizes, columns: number, images = 1): Problem {
  const step = (height: number) => ({ step: height * columns, row: columns, col: 1 });
  return { images, columns, a: 0, b: step(packed.cols), c: step(rows) };
}

/** y[vectors, M] = x[vectors, K]·Aᵀ, as of linear layers: a vector is a column whose elements are neighbours. */
export function linearProblem({ rows, packed }: Sizes, vectors: number): Problem {
  const step = (length: number) => ({ step: vectors * length, row: 1, col: length });
  return { images: 1, columns: vectors, a: 0, b: step(packed.cols), c: step(rows) };
}

const area = ([h, w]: readonly [number, number]): number => h * w;

/** Whether the window sees the image itself: one tap, every pixel. */
function isPlain({ kernel, strides, pads }: ConvWindow): boolean {
  return area(kernel) === 1 && area(strides) === 1 && pads.every((pad) => pad === 0);
}

/** y[batch, O, OH, OW] of a convolution over x[batch, I, H, W]. */
export function convProblem(window: ConvWindow): Problem {
  const { batch, group, inputs, filters } = window, columns = area(window.out), plane = area(window.in);
  return {
    images: batch, columns, a: 0,
    b: { step: (inputs / group) * plane, row: plane, col: 1 }, c: { step: (filters / group) * columns, row: columns, col: 1 },
    ...(!isPlain(window) && { window }),
  };
}

/** taps[2 · K] of a convolution's weight as rows of KH·KW·I: of each k its channel, then how far down and to the right it is read. */
export function tapsOf({ kernel: [height, width], dilations, inputs, group }: ConvWindow): Uint32Array {
  const channels = inputs / group, taps = new Uint32Array(2 * height * width * channels);
  for (let tap = 0, at = 0; tap < height * width; tap++) {
    const down = Math.floor(tap / width) * dilations[0], right = (tap % width) * dilations[1];
    for (let channel = 0; channel < channels; channel++, at += 2) {
      taps[at] = channel;
      taps[at + 1] = (down << 16) | right;
    }
  }
  return taps;
}
