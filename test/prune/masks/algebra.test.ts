import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  andMasks, andNotMasks, compareMask, invert, isKept, isSubset, maskFrom, orMasks, overlap, prune, sameMask, statistics, xorMasks,
  type Mask,
} from '../../../src/prune/index.ts';
import { sketch } from '../networks.ts';

/** Two masks of one shape, as bits, and their shape. */
const pairs = fc.tuple(fc.nat(5), fc.nat(9)).chain(([rows, cols]) => {
  const bits = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: rows * cols, maxLength: rows * cols });
  return fc.tuple(bits, bits, fc.constant([rows, cols]));
});

const bitsOf = (mask: Mask, size: number): number[] => Array.from({ length: size }, (_, i) => Number(isKept(mask, i)));

const operations: readonly (readonly [string, (a: Mask, b: Mask) => Mask, (a: number, b: number) => boolean])[] = [
  ['and', andMasks, (a, b) => a === 1 && b === 1],
  ['or', orMasks, (a, b) => a === 1 || b === 1],
  ['xor', xorMasks, (a, b) => a !== b],
  ['and not', andNotMasks, (a, b) => a === 1 && b === 0],
];

for (const [name, combine, keeps] of operations) {
  test(`${name}, weight by weight`, () => {
    fc.assert(fc.property(pairs, ([a, b, dims]) => {
      const result = combine(maskFrom(a, dims), maskFrom(b, dims));
      // As one made of the bits: spare bits are 0 too.
      assert.equal(result, maskFrom(a.map((bit, i) => Number(keeps(bit, b[i]))), dims));
    }), { seed: 1 });
  });
}

test('laws of sets', () => {
  fc.assert(fc.property(pairs, ([x, y, dims]) => {
    const [a, b] = [maskFrom(x, dims), maskFrom(y, dims)];
    assert.equal(invert(andMasks(a, b)), orMasks(invert(a), invert(b)));
    assert.equal(xorMasks(a, b), andNotMasks(orMasks(a, b), andMasks(a, b)));
    assert.equal(andNotMasks(a, b), andMasks(a, invert(b)));
    assert.is(isSubset(a, b), sameMask(andMasks(a, b), a));
    assert.ok(isSubset(andMasks(a, b), a) && isSubset(a, orMasks(a, b)));
    assert.is(sameMask(a, b), bitsOf(a, x.length).join() === bitsOf(b, y.length).join());
  }), { seed: 2 });
});

test('what masks share, and how alike they are', () => {
  const [a, b] = [maskFrom([1, 1, 1, 0, 0], [5]), maskFrom([0, 1, 1, 1, 0], [5])];
  assert.equal(compareMask(a, b), { both: 2, onlyFirst: 1, onlySecond: 1, overlap: 0.5 });
  assert.is(overlap(a, a), 1);
  assert.is(overlap(a, invert(a)), 0);
  assert.is(overlap(maskFrom([0, 0], [2]), maskFrom([0, 0], [2])), 1);
  fc.assert(fc.property(pairs, ([x, y, dims]) => {
    const [p, q] = [maskFrom(x, dims), maskFrom(y, dims)], { both, onlyFirst, onlySecond } = compareMask(p, q);
    const kept = [andMasks(p, q), andNotMasks(p, q), andNotMasks(q, p)].map((mask) => statistics(mask).kept);
    assert.equal([both, onlyFirst, onlySecond], kept);
    assert.is(overlap(p, q), overlap(q, p));
  }), { seed: 3 });
});

test('random masks of density d overlap by d / (2 − d)', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [200, 200], values: new Float32Array(40_000).fill(1) } });
  const random = (seed: number): Mask => prune(graph, { criterion: 'random', sparsity: 0.5, seed }).masks.get('fc.weight')!;
  const alike = overlap(random(1), random(2));
  assert.ok(Math.abs(alike - 1 / 3) < 0.02, `${alike}`);
});

test('shapes must agree', () => {
  const [row, column] = [maskFrom([1, 1], [1, 2]), maskFrom([1, 1], [2, 1])];
  for (const each of [andMasks, orMasks, xorMasks, andNotMasks, isSubset, overlap, compareMask]) {
    assert.throws(() => each(row, column), /mask \[1, 2\]: needs a mask of the same shape, got \[2, 1\]/);
  }
  assert.not(sameMask(row, column));
});

test.run();
