import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { smallest } from '../../src/prune/select.ts';

/** The same by sorting. */
function sorted(lists: number[][], k: number): number[][] {
  const all = lists.flatMap((list, l) => list.map((score, i) => ({ score, l, i })));
  const marks = lists.map((list) => list.map(() => 0));
  for (const { l, i } of all.sort((a, b) => (a.score < b.score ? -1 : a.score > b.score ? 1 : 0)).slice(0, k)) marks[l][i] = 1;
  return marks;
}

const number = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ noNaN: true }), fc.constantFrom(-Infinity, Infinity, 0, -0, 1e-45));
const lists = fc.array(fc.array(number, { maxLength: 30 }), { minLength: 1, maxLength: 4 });

for (const Scores of [Float32Array, Float64Array]) {
  test(`${Scores.name}: the same as sorting`, () => {
    fc.assert(fc.property(lists, fc.integer({ min: 0, max: 130 }), (values, k) => {
      const marks = smallest(values.map((list) => Scores.from(list)), k).map((list) => [...list]);
      assert.equal(marks, sorted(values, k));
    }), { numRuns: 300 });
  });
}

test('scores of both precisions together', () => {
  assert.equal(smallest([Float32Array.of(1, 4), Float64Array.of(0.5, 2 ** -40, 9)], 3).map((list) => [...list]), [[1, 0], [1, 1, 0]]);
});

test('doubles that are one float apart are told apart', () => {
  assert.equal([...smallest([Float64Array.of(1 + 2 ** -52, 1, 1 + 2 ** -51)], 2)[0]], [1, 1, 0]);
});

test('a part of a larger buffer', () => {
  assert.equal([...smallest([Float32Array.of(-9, 3, 1, 2).subarray(1)], 1)[0]], [0, 1, 0]);
});

test.run();
