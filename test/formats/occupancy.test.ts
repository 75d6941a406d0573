import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countNonzero, type Matrix } from '../../src/formats/index.ts';
import { fillOf, fitsWindows, nonzerosOf } from '../../src/formats/occupancy.ts';
import { randomFrom } from '../../src/random.ts';

/** Weights of which a share is kept; among them what is no number, and what counts as zero. */
function matrixOf(rows: number, cols: number, density: number, seed: number): Matrix {
  const random = randomFrom(seed, 'occupancy'), odd = [NaN, Infinity, -1, 2 ** -126, 1e-45, -0];
  const values = new Float32Array(rows * cols).map(() => (random.next() < density ? odd[Math.floor(random.next() * odd.length)] : 0));
  return { rows, cols, values };
}

const kept = (matrix: Matrix, row: number, k: number): boolean =>
  row < matrix.rows && k < matrix.cols && countNonzero([matrix.values[row * matrix.cols + k]]) === 1;

/** One block after the other, one weight after the other. */
function plainFill(matrix: Matrix, rows: number, cols: number): number {
  let blocks = 0;
  for (let row = 0; row < matrix.rows; row += rows) {
    for (let k = 0; k < matrix.cols; k += cols) {
      const any = Array.from({ length: rows * cols }, (_, i) => kept(matrix, row + Math.floor(i / cols), k + (i % cols))).includes(true);
      blocks += Number(any);
    }
  }
  return blocks ? countNonzero(matrix.values) / (blocks * rows * cols) : 0;
}

const sizes = fc.record({ rows: fc.integer({ min: 0, max: 20 }), cols: fc.integer({ min: 0, max: 150 }) });
const filling = fc.record({ density: fc.constantFrom(0, 0.02, 0.3, 1), seed: fc.nat(500) });

test('blocks that hold a nonzero are those that are found one by one', () => {
  const block = fc.record({ high: fc.constantFrom(1, 2, 3, 4, 8, 16, 32), wide: fc.constantFrom(1, 2, 3, 4, 5, 8, 16, 31, 32, 33, 64) });
  fc.assert(fc.property(sizes, filling, block, ({ rows, cols }, { density, seed }, { high, wide }) => {
    const matrix = matrixOf(rows, cols, density, seed);
    assert.is(nonzerosOf(matrix), countNonzero(matrix.values));
    assert.is(fillOf(matrix, { rows: high, cols: wide }), plainFill(matrix, high, wide), `${rows}x${cols} in ${high}x${wide}`);
    assert.is(fillOf(matrix, { rows: high, cols: wide }), fillOf(matrix, { rows: high, cols: wide }));
  }), { numRuns: 400 });
});

test('windows hold no more nonzeros than that, as is found one by one', () => {
  const window = fc.constantFrom([1, 2], [1, 4], [2, 4], [3, 4], [1, 8], [2, 8], [4, 8], [7, 8], [8, 8], [2, 2]);
  const part = fc.record({ density: fc.constantFrom(0.01, 0.1, 0.4, 0.8), seed: fc.nat(500) });
  fc.assert(fc.property(sizes, part, window, ({ rows, cols }, { density, seed }, [keep, of]) => {
    const matrix = matrixOf(rows, Math.ceil(cols / of) * of, density, seed);
    let most = 0;
    for (let at = 0; at < matrix.values.length; at += of) most = Math.max(most, countNonzero(matrix.values.subarray(at, at + of)));
    assert.is(fitsWindows(matrix, keep, of), most <= keep, `${most} in ${keep}:${of}`);
  }), { numRuns: 600 });
});

test.run();
