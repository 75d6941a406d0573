import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import {
  countNonzero, evenBlock, formats, kernelRows, pack, packedBytes, unpack, type Block, type Layout, type Matrix, type Packed,
} from '../../src/formats/index.ts';
import { randomFrom } from '../../src/random.ts';

const SINGLE: Block = { rows: 1, cols: 1 };
const sides = [1, 2, 3, 4, 5, 6, 7, 8];
const blocks: readonly Block[] = [
  ...sides.flatMap((rows) => sides.map((cols) => ({ rows, cols }))),
  { rows: 3, cols: 5 },
  { rows: 7, cols: 1 },
  { rows: 16, cols: 16 },
  { rows: 32, cols: 32 },
];
const windows: readonly Block[] = [[1, 2], [1, 4], [2, 4], [1, 8], [2, 8], [4, 8], [3, 3], [1, 1]].map(
  ([keep, of]) => ({ rows: 1, cols: 1, keep, of })
);
const sizes: readonly (readonly [number, number])[] = [
  [0, 0], [0, 5], [5, 0], [1, 1], [1, 97], [97, 1], [7, 11], [13, 29], [32, 32], [33, 65],
];

/** What is in a matrix: the share of nonzeros, or a picture. */
const fillings: Readonly<Record<string, (random: () => number, at: number, size: number, cols: number) => boolean>> = {
  'nothing': () => false,
  'one nonzero, the last': (_, at, size) => at === size - 1,
  'everything': () => true,
  'a tenth': (random) => random() < 0.1,
  'every other row': (random, at, _, cols) => Math.floor(at / cols) % 2 === 0 && random() < 0.5,
};

function matrixOf(rows: number, cols: number, filling: string, seed = 0): Matrix {
  const random = randomFrom(seed, filling), size = rows * cols;
  const values = Float32Array.from({ length: size }, (_, at) => (fillings[filling](random.next, at, size, cols) ? 0.5 + random.next() : 0));
  return { rows, cols, values };
}

/** Keeps at most `keep` of every `of` columns. */
function windowed(matrix: Matrix, { keep = 0, of = 0 }: Block): Matrix {
  const values = matrix.values.slice();
  for (let at = 0; at < values.length; at += of) for (let i = at, n = 0; i < at + of; i++) if (values[i] !== 0 && ++n > keep) values[i] = 0;
  return { ...matrix, values };
}

/** That a packing has arrays of the promised lengths, ascending positions inside each part, and stands for the matrix. */
function sound(packed: Packed, matrix: Matrix): void {
  const parts = Math.ceil(matrix.cols / packed.layout.kBlock), { lanes, unit, kBlock } = packed.layout, stride = packed.blocks + 1;
  const positions = packed.starts.map((_, p) => packed.ptr[p * stride + packed.blocks]), total = positions.reduce((sum, n) => sum + n, 0);
  assert.is(packed.blocks, Math.ceil(matrix.rows / packed.blockRows));
  assert.ok(packed.blockRows <= lanes);
  assert.equal([packed.starts.length, packed.ptr.length, packed.values.length], [parts, parts * stride, total * packed.blockCols * lanes]);
  assert.is(packed.stored, total * packed.blockCols * packed.blockRows);
  assert.is(packed.nnz, countNonzero(matrix.values));
  assert.is(packed.idx.length, formats[packed.format as keyof typeof formats].indexed ? total : 0);
  assert.is(packedBytes(packed), packed.values.byteLength + packed.idx.byteLength + packed.ptr.byteLength);
  packed.starts.forEach((start, p) => {
    const length = Math.min(kBlock, matrix.cols - p * kBlock);
    for (let b = 0; b < packed.blocks; b++) {
      for (let i = packed.ptr[p * stride + b]; packed.idx.length > 0 && i < packed.ptr[p * stride + b + 1]; i++) {
        const offset = packed.idx[start + i];
        if (offset % unit !== 0 || offset / unit >= length || (i > packed.ptr[p * stride + b] && offset <= packed.idx[start + i - 1])) {
          assert.unreachable(`index ${offset} in part ${p}, block ${b}`);
        }
      }
    }
  });
  assert.equal(unpack(packed), matrix);
}

const layoutFor = (rows: number, layout: Partial<Layout> = {}): Layout => ({
  lanes: kernelRows(rows), unit: 32, kBlock: 1 << 10, ...layout,
});
const near: Layout = { lanes: 2, unit: 4, kBlock: 64, pairs: true };
const matrixRows = (rows: number): Iterable<number> => Array(rows).keys();
const cases: readonly (readonly [string, Block])[] = [
  ['dense', SINGLE], ['csr', SINGLE],
  ...blocks.map((block) => ['bsr', block] as const),
  ...windows.map((block) => ['nm', block] as const),
];

for (const format of Object.keys(formats)) {
  test(`${format} gives back every awkward matrix`, () => {
    for (const [rows, cols] of sizes) {
      for (const filling of Object.keys(fillings)) {
        for (const [name, block] of cases) {
          if (name !== format || (block.of && cols % block.of !== 0)) continue;
          const matrix = block.of ? windowed(matrixOf(rows, cols, filling), block) : matrixOf(rows, cols, filling);
          sound(pack(name, matrix, layoutFor(block.rows), block), matrix);
        }
      }
    }
  });
}

test('every format gives back random matrices in random layouts', () => {
  const any = fc.record({
    which: fc.constantFrom(...cases), rows: fc.integer({ min: 0, max: 40 }),
    cols: fc.integer({ min: 0, max: 60 }), filling: fc.constantFrom(...Object.keys(fillings)),
    seed: fc.nat(1000), spare: fc.integer({ min: 0, max: 3 }),
    unit: fc.constantFrom(4, 32, 64, 128, 192), kBlock: fc.integer({ min: 1, max: 70 }),
  });
  fc.assert(fc.property(any, ({ which: [name, block], rows, cols, filling, seed, spare, unit, kBlock }) => {
    const whole = block.of ? Math.ceil(cols / block.of) * block.of : cols, raw = matrixOf(rows, whole, filling, seed);
    const matrix = block.of ? windowed(raw, block) : raw;
    sound(pack(name, matrix, { lanes: kernelRows(block.rows) + spare, unit, kBlock }, block), matrix);
  }), { numRuns: 400 });
});

test('rows in pairs give back every awkward matrix, near and far', () => {
  for (const [rows, cols] of sizes) {
    for (const filling of Object.keys(fillings)) {
      for (const kBlock of [7, 64, 1 << 10]) {
        const matrix = matrixOf(rows, cols, filling), offsets = Uint32Array.from({ length: cols }, (_, k) => (k * 7919) % 104729 * 4);
        for (const layout of [{ pairs: true }, { pairs: true, offsets, indexBytes: 4 as const }]) {
          const packed = pack('csr', matrix, { lanes: 2, unit: 96, kBlock: Math.min(kBlock, 600), ...layout });
          assert.equal(unpack(packed), matrix);
          const parts = Math.ceil(cols / packed.layout.kBlock);
          for (let p = 0; p < parts; p++) {
            const seen = [...new Set(packed.order!.subarray(p * packed.blocks * 2, (p + 1) * packed.blocks * 2))].sort((a, b) => a - b);
            assert.equal(seen, [...matrixRows(rows)], 'every row once in every block of K');
          }
        }
      }
    }
  }
});

test('rows in pairs: those that share columns meet, and columns of one row take turns', () => {
  // Rows 0 and 2, 1 and 3 have the same columns: all are shared. Rows with nothing in common only take turns.
  const alike = pack('csr', { rows: 4, cols: 4, values: Float32Array.of(1, 2, 0, 0, 0, 0, 3, 4, 5, 6, 0, 0, 0, 0, 7, 8) }, near);
  assert.equal([[...alike.order!], [...alike.ptr]], [[0, 2, 1, 3], [2, 2]]);
  assert.equal([...alike.values], [1, 5, 2, 6, 3, 7, 4, 8]);
  const apart = pack('csr', { rows: 2, cols: 4, values: Float32Array.of(1, 2, 0, 0, 0, 0, 3, 4) }, near);
  assert.equal([[...apart.ptr], [...apart.values], [...apart.idx]], [[2 << 16], [1, 3, 2, 4], [0, 8, 4, 12]]);
  // A column that finds no turn has a zero for its partner.
  const uneven = pack('csr', { rows: 2, cols: 3, values: Float32Array.of(1, 2, 0, 0, 0, 3) }, near);
  assert.equal([[...uneven.ptr], [...uneven.values], uneven.stored, uneven.nnz], [[1 + (1 << 16)], [2, 0, 1, 3], 4, 3]);
});

test('a format stores no more than it must', () => {
  const matrix = matrixOf(33, 64, 'a tenth'), nnz = countNonzero(matrix.values);
  assert.is(pack('csr', matrix, layoutFor(1)).stored, nnz);
  assert.is(pack('dense', matrix, layoutFor(1)).stored, 33 * 64);
  assert.is(pack('bsr', matrix, layoutFor(1), SINGLE).stored, nnz);
  assert.is(pack('nm', windowed(matrix, windows[1]), layoutFor(1), windows[1]).stored, (33 * 64) / 4);
});

test('subnormal weights become zero, the smallest normal one stays', () => {
  const values = Float32Array.of(1e-40, -1e-45, 2 ** -126, -(2 ** -126), 1, 0, -0, 1.1e-38);
  const kept = [0, 0, 2 ** -126, -(2 ** -126), 1, 0, 0, 0];
  const matrix = { rows: 2, cols: 4, values };
  for (const [name, block] of [
    ['dense', SINGLE], ['csr', SINGLE], ['bsr', { rows: 2, cols: 2 }], ['nm', { rows: 1, cols: 1, keep: 2, of: 4 }],
  ] as const) {
    const packed = pack(name, matrix, layoutFor(block.rows), block);
    assert.equal(Array.from(unpack(packed).values, (v) => v + 0), kept, name);
    assert.is(packed.nnz, 3);
    assert.ok(packed.values.every((v) => v === 0 || Math.abs(v) >= 2 ** -126));
  }
});

const four: Matrix = { rows: 1, cols: 4, values: Float32Array.of(1, 2, 3, 0) };
const wide = matrixOf(1, 3000, 'everything');
const layout = layoutFor(1);
const refused: Readonly<Record<string, readonly [() => unknown, ErrorKind, RegExp]>> = {
  'N:M with too many nonzeros': [() => pack('nm', four, layout), 'argument', /2:4 row 0, columns 0 to 3.*at most 2 nonzeros.*got 3/],
  'N:M with columns not in fours': [
    () => pack('nm', { ...four, cols: 2, rows: 2 }, layout, undefined, 'fc.weight'), 'shape', /^fc\.weight.*columns in 4s.*got 2/,
  ],
  'N above M': [() => pack('nm', four, layout, { rows: 1, cols: 1, keep: 5, of: 4 }), 'argument', /keep/],
  'N:M without N and M': [() => pack('nm', four, layout, SINGLE), 'argument', /keep/],
  'an index beyond 16 bits': [() => pack('csr', wide, { lanes: 1, unit: 32, kBlock: 3000 }), 'limit', /65536 bytes.*lower kBlock/],
  'values that do not fill the matrix': [() => pack('csr', { ...four, cols: 3 }, layout), 'shape', /3 values.*got 4/],
  'half a row': [() => pack('dense', { ...four, rows: 0.5, cols: 8 }, layout), 'shape', /./],
  'a block of nothing': [() => pack('bsr', four, layout, { rows: 0, cols: 1 }), 'argument', /0x1/],
  'a block of 1.5 rows': [() => pack('bsr', four, layout, { rows: 1.5, cols: 1 }), 'argument', /1\.5x1/],
  'a kernel of fewer rows than the block': [
    () => pack('bsr', matrixOf(4, 4, 'everything'), { ...layout, lanes: 2 }, { rows: 4, cols: 1 }), 'argument', /4 rows or more/,
  ],
  'no matrix': [() => pack('csr', undefined as never), 'argument', /pack: needs a matrix: \{ rows, cols, .*got undefined/],
  'null for a matrix': [() => pack('csr', null as never), 'argument', /got null/],
  'a matrix without values': [() => pack('csr', { rows: 1, cols: 1 } as never), 'argument', /got values of type undefined/],
  'a layout of nothing': [() => pack('csr', four, {} as never), 'argument', /layout lanes: needs a whole number of 1 or more, got undef/],
  'a block of K of 0': [() => pack('csr', four, { ...layout, kBlock: 0 }), 'argument', /layout kBlock/],
  'unpacking nothing': [() => unpack(undefined as never), 'argument', /unpack: needs a packing, got undefined; make one with pack/],
  'unpacking an object': [() => unpack({} as never), 'argument', /got object without its arrays/],
  'blocks in pairs': [() => pack('bsr', four, near, { rows: 2, cols: 1 }), 'argument', /single weights for rows in pairs.*bsr 2x1/],
  'pairs out of reach': [() => pack('csr', wide, { ...near, unit: 96, kBlock: 3000 }), 'limit', /65536/],
  'offsets out of reach': [() => pack('csr', four, { ...near, offsets: Uint32Array.of(0, 4, 8, 65536) }), 'limit', /65536/],
  'a format nobody knows': [() => pack('ell', four, layout), 'argument', /dense, csr, bsr, nm.*'ell'/],
};
for (const [name, [action, kind, text]] of Object.entries(refused)) {
  test(`${name} is refused`, () => {
    assert.throws(action, (error: unknown) => error instanceof BurinError && error.kind === kind && text.test(error.message));
  });
}

test('without a layout every format packs every matrix', () => {
  for (const [rows, cols] of [...sizes, [2, 70_000] as const]) {
    const matrix = matrixOf(rows, cols, 'a tenth');
    for (const name of ['dense', 'csr', 'bsr']) {
      const packed = pack(name, matrix);
      sound(packed, matrix);
      assert.equal(unpack(packed), matrix, `${name} ${rows}x${cols}`);
    }
    const window = { rows: 1, cols: 1, keep: 2, of: 4 }, kept = windowed(matrixOf(rows, cols * 4, 'a tenth'), window);
    assert.equal(unpack(pack('nm', kept, undefined, window)), kept);
  }
  assert.equal(pack('csr', matrixOf(4, 8, 'everything')).layout, { lanes: 1, unit: 1, kBlock: 8 });
  const lanes = sides.map((rows) => pack('bsr', matrixOf(8, 8, 'everything'), undefined, { rows, cols: 1 }).layout.lanes);
  assert.equal(lanes, [1, 2, 4, 4, 6, 6, 1, 4]);
});

test('an index of exactly 16 bits fits', () => {
  const matrix = matrixOf(1, 2048, 'everything');
  sound(pack('csr', matrix, { lanes: 1, unit: 32, kBlock: 2048 }), matrix);
});

test('blocks of K are even, whole, within the panel and cover every column', () => {
  const units = fc.constantFrom(4, 32, 64, 160, 192), panels = fc.constantFrom(1024, 24576, 1 << 20);
  const steps = fc.constantFrom(1, 3, 4, 8, 32);
  fc.assert(fc.property(fc.nat(5000), units, panels, steps, (cols, unit, bytes, step) => {
    const block = evenBlock(cols, unit, bytes, step), parts = Math.ceil(cols / block);
    assert.is(block % step, 0);
    assert.ok(block === step || block * unit <= Math.min(bytes, 65536), `${block} rows of ${unit} bytes`);
    assert.ok(cols === 0 || block * parts - cols < step * parts, `${parts} blocks of ${block} for ${cols}`);
  }));
});

test('rows of a block packed together divide it and fit a kernel', () => {
  for (let rows = 1; rows <= 64; rows++) assert.ok(rows % kernelRows(rows) === 0 && kernelRows(rows) <= 6, `${rows}`);
  assert.equal([1, 2, 4, 6, 8, 7, 16].map((rows) => kernelRows(rows)), [1, 2, 4, 6, 4, 1, 4]);
  assert.equal([6, 8, 12, 32, 64].map((rows) => kernelRows(rows, 8)), [6, 8, 6, 8, 8]);
  const held = [4, 6, 8].map((lanes) => pack('bsr', matrixOf(16, 8, 'everything'), { ...layout, lanes }, { rows: 16, cols: 1 }).blockRows);
  assert.equal(held, [4, 4, 8]);
});

test.run();
