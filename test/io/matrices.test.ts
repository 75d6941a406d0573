import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadMatrices } from '../../src/cli/matrices.ts';
import { countNonzero, type Matrix } from '../../src/formats/index.ts';
import { readMtx } from '../../src/io/mtx.ts';
import { readSmtx } from '../../src/io/smtx.ts';
import { noShared, shared } from '../shared.ts';

const bytes = (...lines: string[]): Uint8Array => new TextEncoder().encode(lines.join('\n'));
const rowsOf = ({ rows, cols, values }: Matrix): number[][] =>
  Array.from({ length: rows }, (_, r) => [...values.subarray(r * cols, (r + 1) * cols)]);

const head = '%%MatrixMarket matrix';

test('MatrixMarket coordinates: comments, repeated entries, patterns, both symmetries', () => {
  assert.equal(
    rowsOf(readMtx(bytes(`${head} coordinate real general`, '% words', '2 3 3', '1 3 1.5', '2 1 -2e0', '1 3 1', ''))),
    [[0, 0, 2.5], [-2, 0, 0]],
  );
  assert.equal(rowsOf(readMtx(bytes(`${head} coordinate pattern symmetric`, '2 2 2', '1 1', '2 1'))), [[1, 1], [1, 0]]);
  assert.equal(rowsOf(readMtx(bytes(`${head} coordinate integer skew-symmetric`, '2 2 1', '2 1 3'))), [[0, -3], [3, 0]]);
});

test('MatrixMarket arrays go column by column, symmetric ones in their lower triangle', () => {
  assert.equal(rowsOf(readMtx(bytes(`${head} array real general`, '2 2', '1', '2', '3', '4'))), [[1, 3], [2, 4]]);
  assert.equal(rowsOf(readMtx(bytes(`${head} array real symmetric`, '2 2', '1', '2', '3'))), [[1, 2], [2, 3]]);
  assert.equal(rowsOf(readMtx(bytes(`${head} array real skew-symmetric`, '2 2', '5'))), [[0, -5], [5, 0]]);
});

test('smtx in both spellings', () => {
  const matrix = [[1, 0, 1], [0, 0, 0], [0, 1, 0]];
  assert.equal(rowsOf(readSmtx(bytes('3, 3, 3', '0 2 2 3', '0 2 1'))), matrix);
  assert.equal(rowsOf(readSmtx(bytes('% a comment, with 3 numbers', '3 3 3', '0 2 2 3', '0 2 1', ''))), matrix);
});

type Reader = (text: Uint8Array) => Matrix;
const wrong: readonly (readonly [Reader, string[], string, RegExp])[] = [
  [readMtx, ['hello'], 'file', /needs a first line %%MatrixMarket/],
  [readMtx, [`${head} coordinate complex general`, '1 1 0'], 'argument', /field: needs one of real/],
  [readMtx, [`${head} coordinate real general`, '2 2 2', '1 1 1'], 'file', /needs 2 entries, got 1/],
  [readMtx, [`${head} coordinate real general`, '2 2 1', '3 1 1'], 'file', /an entry of \[2, 2\], got '3 1 1'/],
  [readMtx, [`${head} coordinate real general`, '2 2 1', '1 1'], 'file', /3 numbers a line/],
  [readMtx, [`${head} coordinate real general`, '2 2 1', '1 1 x'], 'file', /an entry of/],
  [readMtx, [`${head} coordinate real general`, '99999999 99999999 0'], 'limit', /at most/],
  [readMtx, [`${head} array real general`, '2 2', '1', '2', '3'], 'file', /an entry of|needs 4 values/],
  [readMtx, [`${head} array real general`, '1 1', '1', '2'], 'file', /needs 1 values, got 2/],
  [readMtx, [`${head} coordinate real general`], 'file', /needs rows and columns/],
  [readSmtx, ['2, 2, 1', '0 1 1'], 'file', /needs 7 numbers, got 6/],
  [readSmtx, ['2, 2, 1', '0 1 1', '2'], 'file', /row 0: needs a column below 2, got 2/],
  [readSmtx, ['2, 2, 1', '1 0 1', '0'], 'file', /row 0: needs ascending offsets/],
  [readSmtx, ['x'], 'file', /needs rows and columns/],
];
for (const [reader, lines, kind, message] of wrong) {
  test(`${reader.name} refuses ${lines.join(' / ')}`, () => {
    assert.throws(() => reader(bytes(...lines)), (error: { kind: string; message: string }) => {
      assert.match(error.message, message);
      return error.kind === kind;
    });
  });
}

test('real matrices have the sizes and nonzeros their makers say', async () => {
  const folder = shared('data/');
  if (!folder) return noShared('real matrices');
  const matrices = await loadMatrices(fileURLToPath(folder));
  const found = Object.fromEntries(matrices.map(({ network, name, matrix: { rows, cols, values } }) =>
    [`${network}.${name}`, [rows, cols, countNonzero(values)]]));
  assert.equal(found['mtx.abb313'], [313, 176, 1557]);
  assert.equal(found['mtx.chesapeake'], [39, 39, 340]);
  assert.equal(found['mtx.qh1484'], [1484, 1484, 6110]);
  assert.equal(found['smtx.swin_tiny_l0b0_attn_proj_50'], [96, 96, 4608]);
  assert.equal(found['lyra.lyra_16khz_conv_to_gates'].slice(0, 2), [3072, 1024]);
  const [rows, cols, nonzeros] = found['lyra.768_512_95_4x4_wavernn_gru'];
  assert.ok(Math.abs(nonzeros / (rows * cols) - 0.0494) < 5e-5, `${nonzeros}`);
});

test.run();
