import { expect } from '../../expect.ts';
import { sameShape } from '../../tensor.ts';
import { checkMask, countOnes, type Mask } from './mask.ts';

// Masks as sets of kept weights. Spare bits are 0 in both operands, so they are 0 in every result.

function expectSameShape(a: Mask, b: Mask): void {
  checkMask(a);
  checkMask(b);
  expect(sameShape(a.dims, b.dims), {
    kind: 'shape', where: `mask [${a.dims.join(', ')}]`, needs: 'a mask of the same shape', got: `[${b.dims.join(', ')}]`,
  });
}

/** The mask whose bytes `combine` makes of those of two masks of one shape. @throws BurinError `shape` where they differ */
function combined(a: Mask, b: Mask, combine: (a: number, b: number) => number): Mask {
  expectSameShape(a, b);
  const bits = new Uint8Array(a.bits.length);
  for (let i = 0; i < bits.length; i++) bits[i] = combine(a.bits[i], b.bits[i]);
  return { dims: a.dims, bits };
}

/** Kept by both. @throws BurinError `shape` for masks of different shapes, `argument` for what is none, as all functions of two masks do */
export const andMasks = (a: Mask, b: Mask): Mask => combined(a, b, (x, y) => x & y);

/** Kept by one or both. @throws BurinError `shape` */
export const orMasks = (a: Mask, b: Mask): Mask => combined(a, b, (x, y) => x | y);

/** Kept by exactly one. @throws BurinError `shape` */
export const xorMasks = (a: Mask, b: Mask): Mask => combined(a, b, (x, y) => x ^ y);

/** Kept by `a` and not by `b`: their difference. @throws BurinError `shape` */
export const andNotMasks = (a: Mask, b: Mask): Mask => combined(a, b, (x, y) => x & ~y);

/** Whether shapes and all decisions are the same. @throws BurinError `argument` for what is no mask */
export function sameMask(a: Mask, b: Mask): boolean {
  checkMask(a);
  checkMask(b);
  return sameShape(a.dims, b.dims) && a.bits.every((byte, i) => byte === b.bits[i]);
}

/** Whether `b` keeps everything that `a` keeps: masks of a schedule nest this way, the later in the earlier. @throws BurinError `shape` */
export function isSubset(a: Mask, b: Mask): boolean {
  expectSameShape(a, b);
  return a.bits.every((byte, i) => (byte & ~b.bits[i]) === 0);
}

/** How many weights two masks of one shape keep together and alone. */
export interface Shared {
  /** Kept by both. */
  readonly both: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Jaccard index, both ÷ (kept by one or both), 0 … 1; 1 where neither keeps anything. */
  readonly overlap: number;
}

export function sharedFrom(both: number, onlyFirst: number, onlySecond: number): Shared {
  const either = both + onlyFirst + onlySecond;
  return { both, onlyFirst, onlySecond, overlap: either === 0 ? 1 : both / either };
}

/** What two masks keep together and alone. @throws BurinError `shape` */
export function compareMask(a: Mask, b: Mask): Shared {
  expectSameShape(a, b);
  let [both, onlyFirst, onlySecond] = [0, 0, 0];
  for (let i = 0; i < a.bits.length; i++) {
    const [x, y] = [a.bits[i], b.bits[i]];
    both += countOnes(x & y);
    onlyFirst += countOnes(x & ~y);
    onlySecond += countOnes(y & ~x);
  }
  return sharedFrom(both, onlyFirst, onlySecond);
}

/**
 * Intersection over union of what two masks keep (Jaccard 1901), 0 … 1: how alike they are. Two random masks of density d overlap by
 * d / (2 − d). @throws BurinError `shape`
 */
export const overlap = (a: Mask, b: Mask): number => compareMask(a, b).overlap;
