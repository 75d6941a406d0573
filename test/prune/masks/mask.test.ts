import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyMask, fromZeros, invert, isKept, maskFrom, statistics } from '../../../src/prune/index.ts';
import { Tensor } from '../../../src/tensor.ts';

const bits = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 0, maxLength: 40 });

test('a mask gives back the bits it was made of', () => {
  fc.assert(fc.property(bits, (kept) => {
    const mask = maskFrom(kept, [kept.length]);
    assert.equal(kept.map((_, i) => isKept(mask, i)), kept.map(Boolean));
    const ones = kept.filter(Boolean).length;
    assert.equal(statistics(mask), { total: kept.length, kept: ones, sparsity: kept.length ? 1 - ones / kept.length : 0 });
  }));
});

test('inverting exchanges kept and dropped, twice is nothing', () => {
  fc.assert(fc.property(bits, (kept) => {
    const mask = maskFrom(kept, [kept.length]);
    assert.is(statistics(invert(mask)).kept, kept.length - statistics(mask).kept);
    assert.equal(invert(invert(mask)), mask);
  }));
});

test('applying a mask puts zeros where it drops, and fromZeros finds them', () => {
  const tensor = new Tensor('float32', Float32Array.of(1, -2, 3, 4, 5, 6), [2, 3]);
  const mask = maskFrom([1, 0, 1, 1, 0, 0], [2, 3]);
  const pruned = applyMask(mask, tensor);
  assert.equal(pruned.data, Float32Array.of(1, 0, 3, 4, 0, 0));
  assert.equal(tensor.data, Float32Array.of(1, -2, 3, 4, 5, 6));
  assert.equal(fromZeros(pruned), mask);
});

test('shapes must agree', () => {
  const row = new Tensor('float32', Float32Array.of(1, 2), [1, 2]);
  assert.throws(() => applyMask(maskFrom([1, 1], [2]), row), /mask \[2\]: needs a tensor of the same shape, got \[1, 2\]/);
  assert.throws(() => maskFrom([1, 1], [3]), /needs 3 values, got 2/);
});

test('what is no mask, or has too few or too many bits, is refused by all who take masks', () => {
  const tensor = new Tensor('float32', Float32Array.from({ length: 600 }, () => 1), [20, 30]);
  for (const bits of [new Uint8Array(2), new Uint8Array(80)]) {
    assert.throws(() => applyMask({ dims: [20, 30], bits }, tensor), /mask \[20, 30\]: needs 75 bytes, a bit a weight, got (2|80)/);
    assert.throws(() => statistics({ dims: [20, 30], bits }), /needs 75 bytes/);
  }
  for (const mask of [null, {}, { dims: [2] }]) assert.throws(() => statistics(mask as never), /mask: needs a mask \{ dims, bits \}/);
});

test.run();
