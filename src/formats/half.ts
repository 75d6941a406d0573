import { expect } from '../expect.ts';

// Weights of 16 bits where nothing is lost: networks stored as f16 are widened when read, and half the bytes bring them back.

/** Where sign, exponent and fraction of a half lie in the f32 that is 2^-112 of it. */
export const HALF_MASK = Uint32Array.of(0x8fffe000);

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Zeros and normal numbers of f16: its subnormals would widen slowly, its infinities wrongly. */
function fits(bits: number): boolean {
  const exponent = (bits >>> 23) & 255;
  return (bits & 0x1fff) === 0 && (exponent >= 113 ? exponent <= 142 : (bits & 0x7fffffff) === 0);
}

/** Whether every value is a normal 16-bit float or zero. */
export function isHalf(values: Float32Array): boolean {
  return bitsOf(values).every(fits);
}

const halfOf = (bits: number): number =>
  ((bits >>> 16) & 0x8000) | ((bits & 0x7fffffff) === 0 ? 0 : (((bits >>> 23) & 255) - 112) << 10 | ((bits >>> 13) & 0x3ff));

/** Columns of a group, in the order in which halves of a group lie: pairs whose second is four columns on. */
const ORDER = [0, 4, 1, 5, 2, 6, 3, 7];

/**
 * values[rows · cols] as 16-bit floats, in each row's whole groups of eight columns in the order 0 4 1 5 2 6 3 7.
 * @throws BurinError `argument` when a value is not one exactly
 */
export function toHalf(values: Float32Array, cols: number): Uint16Array {
  expect(isHalf(values), { kind: 'argument', where: 'weights of 16 bits', needs: 'values that 16 bits hold', got: 'one that they do not' });
  const bits = bitsOf(values), out = new Uint16Array(values.length), whole = cols - (cols % ORDER.length);
  for (let row = 0; row < values.length; row += cols) {
    for (let k = 0; k < whole; k++) out[row + k] = halfOf(bits[row + k - (k % 8) + ORDER[k % 8]]);
    for (let k = whole; k < cols; k++) out[row + k] = halfOf(bits[row + k]);
  }
  return out;
}
