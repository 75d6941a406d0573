import { expect, show } from '../../expect.ts';
import { checkShape, sameShape, sizeOf, Tensor, type Shape } from '../../tensor.ts';

/** One bit a weight, 1 = kept; bit i of the row-major tensor is bit i mod 8 of byte i / 8, spare bits are 0. */
export interface Mask {
  readonly dims: Shape;
  readonly bits: Uint8Array;
}

/** How much a mask keeps, in weights. */
export interface MaskStatistics {
  readonly total: number;
  readonly kept: number;
  /** Fraction dropped, 0 … 1. */
  readonly sparsity: number;
}

/**
 * A mask from one value a weight; nonzero (NaN too) = kept.
 * @throws BurinError `argument` for values that are no list, `shape` for dims that are none or another number of values
 */
export function maskFrom(kept: ArrayLike<number>, dims: Shape): Mask {
  const listed = typeof kept === 'object' && typeof kept?.length === 'number';
  expect(listed, { kind: 'argument', where: 'maskFrom', needs: 'a list of values, one a weight', got: show(kept) });
  checkShape(dims, 'maskFrom');
  const size = sizeOf(dims);
  expect(kept.length === size, { kind: 'shape', where: `mask [${dims.join(', ')}]`, needs: `${size} values`, got: `${kept.length}` });
  const bits = new Uint8Array(Math.ceil(kept.length / 8));
  for (let byte = 0, i = 0; byte < bits.length; byte++) {
    let eight = 0;
    for (let bit = 0; bit < 8 && i < size; bit++, i++) if (kept[i] !== 0) eight |= 1 << bit;
    bits[byte] = eight;
  }
  return { dims: [...dims], bits };
}

/** @throws BurinError `argument` for what is no float32 tensor */
function checkTensor(tensor: Tensor<Float32Array>, where: string): void {
  const fits = tensor?.data instanceof Float32Array && Array.isArray(tensor.dims);
  expect(fits, { kind: 'argument', where, needs: 'a float32 tensor: data, dims', got: show(tensor) });
}

/** The mask a pruned tensor shows by its zeros. @throws BurinError `argument` for what is no float32 tensor */
export function fromZeros(tensor: Tensor<Float32Array>): Mask {
  checkTensor(tensor, 'fromZeros');
  return maskFrom(tensor.data, tensor.dims);
}

/** @throws BurinError `argument` for what is no mask, `shape` for bits that are too few or too many */
export function checkMask(mask: Mask, where = 'mask'): void {
  const fits = Array.isArray(mask?.dims) && mask.bits instanceof Uint8Array;
  expect(fits, { kind: 'argument', where, needs: 'a mask { dims, bits }', got: show(mask) });
  const bytes = Math.ceil(sizeOf(mask.dims) / 8);
  const whole = mask.bits.length === bytes, shape = `${where} [${mask.dims.join(', ')}]`;
  expect(whole, { kind: 'shape', where: shape, needs: `${bytes} bytes, a bit a weight`, got: `${mask.bits.length}` });
}

/** Whether weight `index` of the row-major tensor is kept. @throws BurinError `argument` for what is no mask */
export function isKept(mask: Mask, index: number): boolean {
  if (!(mask?.bits instanceof Uint8Array)) checkMask(mask);
  return ((mask.bits[index >> 3] >> (index & 7)) & 1) === 1;
}

/** One byte a weight, 1 = kept. @throws BurinError `argument` or `shape` for what is no mask */
export function unpackMask(mask: Mask): Uint8Array {
  checkMask(mask);
  const { dims, bits } = mask, kept = new Uint8Array(sizeOf(dims));
  for (let i = 0; i < kept.length; i++) kept[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return kept;
}

/** A new tensor with zeros where the mask drops. @throws BurinError `argument` for what is no mask or tensor, `shape` for another shape */
export function applyMask(mask: Mask, tensor: Tensor<Float32Array>): Tensor<Float32Array> {
  checkMask(mask);
  checkTensor(tensor, 'applyMask');
  expect(sameShape(mask.dims, tensor.dims), {
    kind: 'shape', where: `mask [${mask.dims.join(', ')}]`, needs: 'a tensor of the same shape', got: `[${tensor.dims.join(', ')}]`,
  });
  const data = tensor.data.slice(), { bits } = mask;
  for (let i = 0; i < data.length; i++) if (((bits[i >> 3] >> (i & 7)) & 1) === 0) data[i] = 0;
  return new Tensor('float32', data, tensor.dims);
}

/** Kept and dropped exchanged. @throws BurinError `argument` or `shape` for what is no mask */
export function invert(mask: Mask): Mask {
  checkMask(mask);
  const size = sizeOf(mask.dims);
  const bits = mask.bits.map((byte) => ~byte);
  if (size % 8 !== 0) bits[bits.length - 1] &= (1 << (size % 8)) - 1;
  return { dims: mask.dims, bits };
}

/** How many weights a mask keeps. @throws BurinError `argument` or `shape` for what is no mask */
export function statistics(mask: Mask): MaskStatistics {
  checkMask(mask);
  const total = sizeOf(mask.dims);
  let kept = 0;
  for (let i = 0; i < mask.bits.length; i++) kept += countOnes(mask.bits[i]);
  return { total, kept, sparsity: total === 0 ? 0 : 1 - kept / total };
}

/** Bits set among the lowest eight: sums of neighbouring 1, 2 and 4 bits. */
export function countOnes(byte: number): number {
  const pairs = (byte & 0x55) + ((byte >> 1) & 0x55);
  const nibbles = (pairs & 0x33) + ((pairs >> 2) & 0x33);
  return (nibbles & 0x0f) + (nibbles >> 4);
}
