import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import { toCsr } from '../../src/formats/convert.ts';
import { pack, type Matrix } from '../../src/formats/index.ts';
import { randomFrom } from '../../src/random.ts';
import { Bench, wave } from './bench.ts';

// The sampled and the transposed product straight from their records, within their memory, against f64 sums.

function sparse(rows: number, cols: number, share: number): Matrix {
  const random = randomFrom(rows * 100 + cols, `${share}`);
  return { rows, cols, values: wave(rows * cols, 3).map((w) => (random.next() < share ? w : 0)) };
}

const density = fc.constantFrom(0, 0.1, 0.5, 1);

/** That each sum is right within 4·√(terms + 1)·2⁻²⁴ of its terms' magnitudes. */
function near(got: Float32Array, terms: (i: number) => number[], where: string): void {
  got.forEach((value, i) => {
    const all = terms(i), want = all.reduce((sum, term) => sum + term, 0), magnitude = all.reduce((sum, term) => sum + Math.abs(term), 0);
    const bound = 4 * Math.sqrt(all.length + 1) * 2 ** -24 * magnitude;
    if (!(Math.abs(value - want) <= bound)) assert.unreachable(`${where} [${i}]: expected ${want}, got ${value}`);
  });
}

function checkSampled(bench: Bench, pattern: Matrix, depth: number, pass: number): void {
  const { rows, cols } = pattern, stride = Math.ceil(depth / 8) * 8, { colIdx, rowPtr } = toCsr(pack('csr', pattern));
  const rowsOf = (n: number, seed: number): Float32Array =>
    wave(n * stride, seed).map((v, i) => (i % stride < depth ? v : 0));
  const a = rowsOf(rows, 5), b = rowsOf(cols, 6), where = `sampled ${rows}x${cols}x${depth} in ${pass}s`;
  const got = bench.run(colIdx.length, (values) => {
    const [idx, ptr, left, right] = [colIdx, rowPtr, a, b].map((data) => bench.input(data));
    return Array.from({ length: Math.ceil(stride / pass) }, (_, p) => ({
      kernel: 'f32_csr_sddmm',
      job: {
        values, idx, ptr, rows, a: left + p * pass * 4, aStride: stride * 4, b: right + p * pass * 4, bStride: stride * 4,
        depth: Math.min(pass, stride - p * pass) * 4, partial: p > 0 ? 1 : 0,
      },
    }));
  }, where);
  const rowIdx = Array.from({ length: rows }, (_, row) => new Array<number>(rowPtr[row + 1] - rowPtr[row]).fill(row)).flat();
  near(got, (i) => Array.from({ length: depth }, (_, k) => a[rowIdx[i] * stride + k] * b[colIdx[i] * stride + k]), where);
}

function checkTransposed(bench: Bench, matrix: Matrix, n: number, height: number): void {
  const { rows, cols, values } = matrix, width = height === 1 ? 32 : 8, b = wave(rows * n, 5);
  const where = `${height} rows ${rows}x${cols}x${n}`;
  const block = { rows: height, cols: 1 };
  const packed = pack(height === 1 ? 'csr' : 'bsr', matrix, { lanes: height === 1 ? 1 : 4, unit: width * 4, kBlock: cols }, block);
  const got = bench.run(cols * n, (c) => {
    const [stored, idx, ptr, right] = [packed.values, packed.idx, packed.ptr, b].map((data) => bench.input(data));
    return [{
      kernel: `f32_csr_spmmt_${height === 1 ? '1x32' : '4x8'}`,
      job: {
        values: stored, idx, ptr, rows, blockRows: packed.blockRows, depth: cols, cols: n, b: right, bStride: n * 4,
        tile: bench.context.scratch(cols * width * 4), unit: width * 4, c, cStride: n * 4,
      },
    }];
  }, where);
  const at = (i: number): readonly [number, number] => [Math.floor(i / n), i % n];
  near(got, (i) => Array.from({ length: rows }, (_, m) => values[m * cols + at(i)[0]] * b[m * n + at(i)[1]]), where);
}

for (const simd of probe()) {
  const backend = await createWasm({ simd });

  test(`products at stored positions (${simd})`, () => {
    const bench = new Bench(backend), size = fc.integer({ min: 1, max: 40 });
    const any = fc.record({ rows: size, cols: size, depth: fc.integer({ min: 1, max: 100 }), density, pass: fc.constantFrom(8, 24, 1000) });
    fc.assert(fc.property(any, ({ rows, cols, depth, density: share, pass }) =>
      checkSampled(bench, sparse(rows, cols, share), depth, pass)), { numRuns: 200 });
  });

  for (const height of [1, 3, 4]) {
    test(`transposed products, ${height} rows at a time (${simd})`, () => {
      const bench = new Bench(backend), size = fc.integer({ min: 1, max: 40 }), least = height === 1 ? 32 : 8;
      const any = fc.record({ rows: size, cols: size, n: fc.integer({ min: least, max: 3 * least + 5 }), density });
      fc.assert(fc.property(any, ({ rows, cols, n, density: share }) =>
        checkTransposed(bench, sparse(rows, cols, share), n, height)), { numRuns: 150 });
    });
  }
}

test.run();
