import { expect, show } from '../expect.ts';

// Small helpers about bytes, shared by the readers of files.

/** What a reader of a file was given, as bytes. @throws BurinError `argument` for anything but an array of bytes or a buffer */
export function bytesFrom(file: Uint8Array | ArrayBuffer, where: string): Uint8Array {
  const bytes = file instanceof ArrayBuffer ? new Uint8Array(file) : file;
  expect(bytes instanceof Uint8Array, { kind: 'argument', where, needs: 'the bytes of a file', got: show(bytes) });
  return bytes;
}

/** IEEE 754 binary16 bit patterns as float32, exactly. */
export function widenHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(bits.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) out[i] = (half & 0x8000 ? -1 : 1) * fraction * 2 ** -24; // zeros and subnormals
    else words[i] = ((half & 0x8000) << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return out;
}

/** bfloat16 bit patterns as float32: the upper half of one. */
export function widenBrain(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(bits.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return out;
}

/** The same bytes in a buffer of their own: aligned for every element type, and free of the file they came from. */
export function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}
