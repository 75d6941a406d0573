import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { probe } from '../../src/backends/wasm.ts';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import { convert, fromCoo, pack, unpack, createProducts, type Block, type Matrix, type Packed, type Products } from '../../src/index.ts';
import { randomFrom } from '../../src/random.ts';

// What authors of pruning and training tools call, through the package's own door, against f64 sums.

const ways: readonly (readonly [string, Block])[] = [
  ['dense', { rows: 1, cols: 1 }], ['csr', { rows: 1, cols: 1 }],
  ...[[1, 3], [2, 1], [3, 1], [4, 1], [4, 4], [6, 1], [8, 2], [16, 16]].map(([rows, cols]) => ['bsr', { rows, cols }] as const),
  ['nm', { rows: 1, cols: 1, keep: 2, of: 4 }],
];

/** Two of every four columns at most, so that every format holds it. */
function matrixOf(rows: number, cols: number, density: number): Matrix {
  const random = randomFrom(rows * 1000 + cols, `${density}`), values = new Float32Array(rows * cols);
  for (let i = 0; i < values.length; i++) if (i % cols % 4 < 2 && random.next() < density) values[i] = random.normal();
  return { rows, cols, values };
}

const floats = (length: number, seed: number): Float32Array => randomFrom(seed).normals(new Float32Array(length), 1);

type At = (i: number, j: number) => number;

/** rows × cols sums over `depth` of a(i, k)·b(k, j), each within 4·√(depth + 1)·2⁻²⁴ of its magnitudes. */
function near(
  got: Float32Array, [rows, cols, depth]: readonly [number, number, number], a: At, b: At, where: string, bias?: Float32Array,
): void {
  assert.is(got.length, rows * cols, where);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      let sum = bias?.[i] ?? 0, magnitude = Math.abs(sum);
      for (let k = 0; k < depth; k++) {
        sum += a(i, k) * b(k, j);
        magnitude += Math.abs(a(i, k) * b(k, j));
      }
      const value = got[i * cols + j];
      if (!(Math.abs(value - sum) <= 4 * Math.sqrt(depth + 1) * 2 ** -24 * magnitude)) {
        assert.unreachable(`${where} [${i}, ${j}]: expected ${sum}, got ${value}`);
      }
    }
  }
}

/** All four products of one weight. */
function check(products: Products, packed: Packed, n: number, depth: number, biased: boolean): void {
  const { rows, cols } = packed, { values } = unpack(packed);
  const where = `${packed.format} ${JSON.stringify(packed.block)} ${rows}x${cols}x${n}`;
  const bias = biased ? floats(rows, 9) : undefined, weight = products.upload(packed, { bias }), a: At = (i, k) => values[i * cols + k];
  const b = floats(cols * n, 1), x = floats(cols, 2), g = floats(rows * n, 3), p = floats(rows * depth, 4), q = floats(cols * depth, 5);
  for (let again = 0; again < 2; again++) {
    near(products.spmm(weight, b, n), [rows, n, cols], a, (k, j) => b[k * n + j], `spmm ${where}`, bias);
    near(products.spmv(weight, x), [rows, 1, cols], a, (k) => x[k], `spmv ${where}`, bias);
    near(products.spmmTransposed(weight, g, n), [cols, n, rows], (i, k) => a(k, i), (k, j) => g[k * n + j], `transposed ${where}`);
  }
  const clamped = products.spmm(weight, b, n, { min: -0.5, max: 0.25 });
  assert.equal(clamped, products.spmm(weight, b, n).map((v) => Math.min(0.25, Math.max(-0.5, v))), `clamped ${where}`);
  checkSampled(products.sddmm(weight, p, q, depth), packed, [p, q, depth], where);
  weight.dispose();
}

/** That exactly the stored places hold the sums. */
function checkSampled(got: Packed, packed: Packed, [p, q, depth]: readonly [Float32Array, Float32Array, number], where: string): void {
  // Pairs of rows are filled up with zeros that stand for nothing.
  const ones = unpack({ ...packed, values: packed.values.map((w) => (packed.order && w === 0 ? 0 : 1)) }).values;
  const { values } = unpack(got), { cols } = packed;
  assert.equal([got.idx, got.ptr, got.layout], [packed.idx, packed.ptr, packed.layout], where);
  ones.forEach((stored, at) => {
    const [i, j] = [Math.floor(at / cols), at % cols];
    let sum = 0, magnitude = 0;
    for (let k = 0; k < depth; k++) {
      sum += p[i * depth + k] * q[j * depth + k];
      magnitude += Math.abs(p[i * depth + k] * q[j * depth + k]);
    }
    const want = stored ? sum : 0;
    if (!(Math.abs(values[at] - want) <= 4 * Math.sqrt(depth + 1) * 2 ** -24 * magnitude)) {
      assert.unreachable(`sampled ${where} [${i}, ${j}]: expected ${want}, got ${values[at]}`);
    }
  });
}

for (const simd of probe()) {
  const products = await createProducts({ simd });
  for (const [format, block] of ways) {
    test(`${format} ${JSON.stringify(block)} (${simd})`, () => {
      for (const [rows, cols, n, depth] of [[1, 4, 1, 1], [7, 16, 5, 9], [33, 48, 40, 70], [6, 32, 129, 8], [20, 1024, 33, 3]]) {
        for (const density of [0, 0.2, 1]) {
          check(products, pack(format, matrixOf(rows, cols, density), undefined, block), n, depth, density > 0);
        }
      }
      assert.is(products.memory().usedBytes, 0, 'all was given back');
    });
  }

  test(`any shape, format and layout (${simd})`, () => {
    const any = fc.record({
      way: fc.constantFrom(...ways), rows: fc.integer({ min: 1, max: 60 }), fours: fc.integer({ min: 1, max: 30 }),
      n: fc.integer({ min: 1, max: 80 }), depth: fc.integer({ min: 1, max: 90 }), density: fc.constantFrom(0.02, 0.3, 0.9),
      unit: fc.constantFrom(1, 4, 160), kBlock: fc.integer({ min: 4, max: 200 }),
    });
    fc.assert(fc.property(any, ({ way: [format, block], rows, fours, n, depth, density, unit, kBlock }) =>
      check(products, pack(format, matrixOf(rows, fours * 4, density), { lanes: 6, unit, kBlock }, block), n, depth, true)
    ), { numRuns: 60 });
  });
}

const products = await createProducts();

test('a product of a large matrix with few nonzeros', () => {
  const size = 100_000, n = 2000, values = floats(n, 1), random = randomFrom(2), at = (): number => Math.floor(random.next() * size);
  const places = [...new Map(Array.from({ length: n }, (): [number, number] => [at(), at()]))];
  const [rowIdx, colIdx] = [places.map(([i]) => i), places.map(([, j]) => j)];
  const packed = fromCoo({ rows: size, cols: size, values: values.subarray(0, places.length), rowIdx, colIdx });
  const weight = products.upload(packed), x = floats(size, 3), y = products.spmv(weight, x), back = products.spmmTransposed(weight, y, 1);
  const want = new Float64Array(size), wantBack = new Float64Array(size);
  places.forEach(([i, j], p) => { want[i] += values[p] * x[j]; });
  places.forEach(([i, j], p) => { wantBack[j] += values[p] * y[i]; });
  y.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 1e-6 * (1 + Math.abs(want[i])), `${i}`));
  back.forEach((v, i) => assert.ok(Math.abs(v - wantBack[i]) <= 1e-5 * (1 + Math.abs(wantBack[i])), `transposed ${i}`));
  weight.dispose();
});

test('the product and the transposed product share a packing in blocks of four rows', () => {
  const packed = pack('bsr', matrixOf(64, 256, 1), undefined, { rows: 4, cols: 1 }), weight = products.upload(packed);
  products.spmm(weight, floats(256 * 64, 1), 64);
  const before = products.memory().usedBytes;
  products.spmmTransposed(weight, floats(64 * 64, 1), 64);
  const operands = (64 * 64 + 256 * 64 + 256 * 8) * 4;
  assert.ok(products.memory().usedBytes - before < operands + packed.values.byteLength / 2);
  weight.dispose();
});

test('rows stored in pairs are taken like any packing', () => {
  const layout = { lanes: 2, unit: 64, kBlock: 100, pairs: true };
  for (const format of ['csr', 'nm']) check(products, pack(format, matrixOf(37, 248, 0.4), layout), 30, 20, true);
});

const small = pack('csr', matrixOf(8, 12, 0.5)), empty = { rows: 0, cols: 4, values: new Float32Array(0) };
const refused: readonly (readonly [string, ErrorKind, (weight: ReturnType<Products['upload']>) => unknown])[] = [
  ['no packing', 'argument', () => products.upload(matrixOf(2, 2, 1) as never)],
  ['nothing', 'argument', () => products.upload(undefined as never)],
  ['no rows', 'shape', () => products.upload(pack('csr', empty))],
  ['short bias', 'shape', () => products.upload(small, { bias: new Float32Array(7) })],
  ['B too small', 'shape', (w) => products.spmm(w, new Float32Array(35), 3)],
  ['B of doubles', 'argument', (w) => products.spmm(w, new Float64Array(36) as never, 3)],
  ['no columns', 'argument', (w) => products.spmm(w, new Float32Array(0), 0)],
  ['half a column', 'argument', (w) => products.spmm(w, new Float32Array(6), 0.5)],
  ['min above max', 'argument', (w) => products.spmm(w, new Float32Array(36), 3, { min: 1, max: 0 })],
  ['x too long', 'shape', (w) => products.spmv(w, new Float32Array(13))],
  ['B of A, not of Aᵀ', 'shape', (w) => products.spmmTransposed(w, new Float32Array(36), 3)],
  ['A of another depth', 'shape', (w) => products.sddmm(w, new Float32Array(16), new Float32Array(36), 3)],
  ['B of another depth', 'shape', (w) => products.sddmm(w, new Float32Array(24), new Float32Array(24), 3)],
];

test('bad operands get typed errors', () => {
  const weight = products.upload(small);
  for (const [name, kind, act] of refused) {
    assert.throws(() => act(weight), (error: unknown) => error instanceof BurinError && error.kind === kind, name);
  }
  weight.dispose();
});

test('what was disposed is refused', async () => {
  const own = await createProducts(), weight = own.upload(small), other = products.upload(small);
  const state = (act: () => unknown): void => assert.throws(act, (error: unknown) => error instanceof BurinError && error.kind === 'state');
  state(() => own.spmv(other, new Float32Array(12)));
  weight.dispose();
  state(() => own.spmv(weight, new Float32Array(12)));
  own.dispose();
  own.dispose();
  state(() => own.upload(small));
  assert.is(own.memory().usedBytes, 0);
  other.dispose();
});

test('a kernel is named, a converted weight gives the same', () => {
  const packed = pack('csr', matrixOf(32, 64, 0.4)), weight = products.upload(packed), b = floats(64 * 48, 1);
  const blocks = products.upload(convert(packed, { format: 'bsr', block: { rows: 4, cols: 4 } }));
  assert.match(products.kernelFor(weight, 48), /^f32_pair_spmm_/);
  assert.match(products.kernelFor(blocks, 48), /^f32_bsr_spmm_4/);
  const [one, other] = [products.spmm(weight, b, 48), products.spmm(blocks, b, 48)];
  one.forEach((v, i) => assert.ok(Math.abs(v - other[i]) < 1e-4));
  for (const each of [weight, blocks]) each.dispose();
});

test.run();
