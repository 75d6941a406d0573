import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { isHalf, toHalf } from '../../src/formats/half.ts';

/** The value of a 16-bit float by its definition. */
function valueOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const normal = (half: number): boolean => (half & 0x7fff) === 0 || (((half >> 10) & 31) > 0 && ((half >> 10) & 31) < 31);

test('every normal 16-bit float and zero comes back, bit for bit', () => {
  const halves = Array.from({ length: 65536 }, (_, half) => half).filter(normal);
  assert.is(halves.length, 2 * 30 * 1024 + 2);
  const values = Float32Array.from(halves, valueOf);
  assert.ok(isHalf(values));
  assert.equal([...toHalf(values, 1)], halves);
});

test('whole groups of eight columns are interleaved, the rest of a row is not', () => {
  const cols = 11, values = Float32Array.from({ length: 2 * cols }, (_, i) => i);
  const columns = [0, 4, 1, 5, 2, 6, 3, 7, 8, 9, 10];
  assert.equal([...toHalf(values, cols)].map(valueOf), [...columns, ...columns.map((k) => k + cols)]);
});

test('a value that 16 bits do not hold is refused', () => {
  for (const value of [1 / 3, 65536, 65520, 2 ** -15, 2 ** -24, 1 + 2 ** -11, Infinity, NaN]) {
    assert.not.ok(isHalf(Float32Array.of(1, value)), `${value}`);
    assert.throws(() => toHalf(Float32Array.of(1, value), 2), (e: unknown) => e instanceof BurinError && e.kind === 'argument');
  }
});

test.run();
