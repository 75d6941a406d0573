import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import { convert, fromCoo, fromCsr, toCsr, transpose, type CooArrays, type CsrArrays, type Target } from '../../src/formats/convert.ts';
import { pack, packedBytes, unpack, type Matrix } from '../../src/formats/index.ts';
import { randomFrom } from '../../src/random.ts';

const targets: readonly Required<Pick<Target, 'format' | 'block'>>[] = [
  { format: 'dense', block: { rows: 1, cols: 1 } },
  { format: 'csr', block: { rows: 1, cols: 1 } },
  ...[[1, 3], [2, 1], [3, 1], [4, 1], [4, 4], [6, 2], [8, 1], [8, 2], [16, 16]]
    .map(([rows, cols]) => ({ format: 'bsr' as const, block: { rows, cols } })),
  ...[[1, 2], [2, 4], [4, 8]].map(([keep, of]) => ({ format: 'nm' as const, block: { rows: 1, cols: 1, keep, of } })),
];

/** At most half of every pair of columns, so that every N:M above holds it. */
function matrixOf(rows: number, cols: number, density: number, seed = 1): Matrix {
  const random = randomFrom(seed, `${rows} ${cols}`), values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k + 1 < cols; k += 2) {
      if (random.next() < density * 2) values[row * cols + k + (random.next() < 0.5 ? 1 : 0)] = random.normal();
    }
  }
  return { rows, cols, values };
}

function arraysOf({ rows, cols, values }: Matrix): CsrArrays & CooArrays {
  const kept: number[] = [], rowIdx: number[] = [], colIdx: number[] = [], rowPtr = [0];
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < cols; k++) {
      if (values[row * cols + k] === 0) continue;
      kept.push(values[row * cols + k]);
      rowIdx.push(row);
      colIdx.push(k);
    }
    rowPtr.push(kept.length);
  }
  return { rows, cols, values: kept, rowIdx, colIdx, rowPtr };
}

const turned = ({ rows, cols, values }: Matrix): Matrix =>
  ({ rows: cols, cols: rows, values: values.map((_, i) => values[(i % rows) * cols + Math.floor(i / rows)]) });

const sizes = [[0, 0], [0, 8], [5, 0], [1, 8], [7, 16], [16, 24], [33, 48]] as const;

for (const { format, block } of targets) {
  const name = block.keep ? `nm ${block.keep}:${block.of}` : `${format} ${block.rows}x${block.cols}`;
  test(`${name} from compressed rows has the bytes of a packing of the whole matrix`, () => {
    for (const [rows, cols] of sizes) {
      for (const density of [0, 0.02, 0.2, 0.5]) {
        const matrix = matrixOf(rows, cols, density), lanes = pack(format, matrix, undefined, block).layout.lanes;
        const pairs = { lanes: 2, unit: 64, kBlock: 7, pairs: true }, single = block.rows === 1 && block.cols === 1 && format !== 'dense';
        for (const layout of [undefined, { lanes, unit: 128, kBlock: 5 }, { lanes: 6, unit: 4, kBlock: 16 }, ...(single ? [pairs] : [])]) {
          const want = pack(format, matrix, layout, block);
          assert.equal(fromCsr(arraysOf(matrix), { format, block, layout }), want, `${rows}x${cols} ${density}`);
          assert.equal(toCsr(want), toCsr(pack('csr', matrix)));
          assert.equal(convert(pack('csr', matrix), { format, block, layout }), want);
          assert.equal(unpack(convert(want, { format: 'csr' })), matrix);
        }
      }
    }
  });

  test(`${name} transposed`, () => {
    for (const [rows, cols] of sizes) {
      const matrix = matrixOf(rows, cols, 0.3);
      assert.equal(transpose(pack(format, matrix, undefined, block)), pack('csr', turned(matrix)));
      assert.equal(unpack(transpose(transpose(pack(format, matrix, undefined, block)))), matrix);
    }
  });
}

test('coordinates and columns may come in any order', () => {
  const shape = fc.record({ rows: fc.integer({ min: 1, max: 30 }), cols: fc.integer({ min: 1, max: 30 }), seed: fc.nat(1000) });
  fc.assert(fc.property(shape, ({ rows, cols, seed }) => {
    const matrix = matrixOf(rows, cols, 0.3, seed), arrays = arraysOf(matrix), random = randomFrom(seed, 'order');
    const order = [...arrays.values as number[]].map((_, i) => i).sort(() => random.next() - 0.5);
    const take = (list: ArrayLike<number>): number[] => order.map((i) => list[i]);
    const mixed = { rows, cols, values: take(arrays.values), rowIdx: take(arrays.rowIdx), colIdx: take(arrays.colIdx) };
    assert.equal(fromCoo(mixed), pack('csr', matrix));
    const reversed = (list: ArrayLike<number>): number[] => Array.from({ length: rows }, (_, row) =>
      Array.from(list).slice(arrays.rowPtr[row], arrays.rowPtr[row + 1]).reverse()).flat();
    assert.equal(fromCsr({ ...arrays, values: reversed(arrays.values), colIdx: reversed(arrays.colIdx) }), pack('csr', matrix));
  }), { numRuns: 50 });
});

test('stored zeros and subnormals are left out', () => {
  const packed = fromCoo({ rows: 1, cols: 4, values: [0, 1, 2 ** -140], rowIdx: [0, 0, 0], colIdx: [0, 1, 3] });
  assert.equal([packed.nnz, [...packed.values], [...packed.idx]], [1, [1], [1]]);
});

test('a matrix far too large to be dense', () => {
  const size = 2 ** 20, n = 5000, random = randomFrom(3), at = (): number => Math.floor(random.next() * size);
  const places = new Map(Array.from({ length: n }, (): [number, number] => [at(), at()]));
  const values = Float32Array.from(places, (_, i) => i + 1), rowIdx = [...places.keys()], colIdx = [...places.values()];
  const packed = fromCoo({ rows: size, cols: size, values, rowIdx, colIdx });
  assert.is(packed.nnz, places.size);
  assert.ok(packedBytes(packed) < 100e6, `${packedBytes(packed)} bytes`);
  const back = toCsr(transpose(transpose(packed))), wanted = toCsr(packed);
  assert.equal(back, wanted);
});

const refused: readonly (readonly [string, ErrorKind, () => unknown])[] = [
  ['column outside', 'argument', () => fromCsr({ rows: 1, cols: 2, values: [1], colIdx: [2], rowPtr: [0, 1] })],
  ['column of a fraction', 'argument', () => fromCsr({ rows: 1, cols: 2, values: [1], colIdx: [0.5], rowPtr: [0, 1] })],
  ['too few columns', 'shape', () => fromCsr({ rows: 1, cols: 2, values: [1], colIdx: [], rowPtr: [0, 1] })],
  ['rowPtr too short', 'shape', () => fromCsr({ rows: 2, cols: 2, values: [1], colIdx: [1], rowPtr: [0, 1] })],
  ['rowPtr that falls', 'argument', () => fromCsr({ rows: 2, cols: 2, values: [1], colIdx: [1], rowPtr: [0, 1, 0] })],
  ['rowPtr that ends early', 'argument', () => fromCsr({ rows: 1, cols: 2, values: [1, 2], colIdx: [0, 1], rowPtr: [0, 1] })],
  ['negative rows', 'shape', () => fromCsr({ rows: -1, cols: 2, values: [], colIdx: [], rowPtr: [] })],
  ['no values', 'argument', () => fromCsr({ rows: 0, cols: 0, rowPtr: [0], colIdx: [] } as never)],
  ['row outside', 'argument', () => fromCoo({ rows: 1, cols: 1, values: [1], colIdx: [0], rowIdx: [1] })],
  ['two at one place', 'argument', () => fromCoo({ rows: 1, cols: 1, values: [1, 2], colIdx: [0, 0], rowIdx: [0, 0] })],
  ['too full for N:M', 'argument', () => convert(pack('csr', { rows: 1, cols: 4, values: new Float32Array(4).fill(1) }), { format: 'nm' })],
  ['columns not in fours', 'shape', () => convert(pack('csr', { rows: 1, cols: 3, values: new Float32Array(3) }), { format: 'nm' })],
  ['unknown format', 'argument', () => fromCsr({ rows: 0, cols: 0, values: [], colIdx: [], rowPtr: [0] }, { format: 'coo' as never })],
];

test('bad arrays get typed errors', () => {
  for (const [name, kind, act] of refused) {
    assert.throws(act, (error: unknown) => error instanceof BurinError && error.kind === kind, name);
  }
});

test.run();
