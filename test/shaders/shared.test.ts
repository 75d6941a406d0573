import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sharing } from '../../src/backends/webgpu/shared.ts';

// What is made of equal data is made once, and ends when nobody uses it.

/** Counts what is made and what has ended. */
function counted() {
  const share = sharing(), ended: number[] = [];
  let made = 0;
  const take = (...numbers: number[]) =>
    share({ key: 'k', data: [Float32Array.from(numbers)], make: () => ++made, end: (which) => { ended.push(which); } });
  return { share, take, ended, made: () => made };
}

test('equal data is shared, other data is not', () => {
  const { take, made } = counted();
  assert.equal([take(1, 2).made, take(1, 2).made, take(1, 3).made, take(1).made, take(1, 2).made], [1, 1, 2, 3, 1]);
  assert.is(made(), 3);
});

test('the last one to give it back ends it, and it is made anew afterwards', () => {
  const { take, ended } = counted(), [a, b] = [take(1), take(1)];
  a.release();
  a.release();
  assert.equal(ended, []);
  b.release();
  assert.equal(ended, [1]);
  assert.is(take(1).made, 2);
});

test('keys, bits and halves of words count', () => {
  const { share, take } = counted(), end = (): void => {};
  assert.is.not(take(0).made, take(-0).made);
  assert.is(take(NaN).made, take(NaN).made);
  const other = (key: string, data: ArrayBufferView) => share({ key, data: [data], make: () => ({}), end }).made;
  assert.is.not(other('a', new Float32Array(2)), other('b', new Float32Array(2)));
  const bytes = Uint8Array.of(9, 1, 2, 3, 1, 2, 3);
  assert.is(other('c', bytes.subarray(1, 4)), other('c', bytes.subarray(4, 7)));
  assert.is.not(other('c', bytes.subarray(0, 3)), other('c', bytes.subarray(4, 7)));
});

test('what cannot be made leaves nothing behind', () => {
  const { share, take } = counted(), end = (): void => {};
  assert.throws(() => share({ key: 'k', data: [Float32Array.of(5)], make: () => { throw new Error('no'); }, end }), /no/);
  assert.is(take(5).made, 1);
});

test.run();
