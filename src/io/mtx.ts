import { expect, fail, lookUp, show } from '../expect.ts';
import type { Matrix } from '../formats/index.ts';
import { checkSize, textLines } from './text.ts';

const where = 'MatrixMarket file';

/** What an entry (i, j) says about (j, i): the sign it has there, or undefined where nothing. */
const symmetries: Readonly<Record<string, number | undefined>> = { 'general': undefined, 'symmetric': 1, 'skew-symmetric': -1 };
/** Numbers of a coordinate line: row and column, and a value unless only the pattern is given. */
const fields: Readonly<Record<string, number>> = { real: 3, double: 3, integer: 3, pattern: 2 };

interface Header {
  readonly layout: string;
  /** Numbers a coordinate line has. */
  readonly numbers: number;
  readonly mirror: number | undefined;
}

function readHeader(line: string): Header {
  const [mark, object, layout, field, symmetry] = line.trim().toLowerCase().split(/\s+/);
  expect(mark === '%%matrixmarket' && object === 'matrix', {
    kind: 'file', where, needs: 'a first line %%MatrixMarket matrix …', got: show(line),
  });
  lookUp({ coordinate: 1, array: 1 }, layout, `${where}, layout`);
  const numbers = lookUp(fields, field, `${where}, field`), mirror = lookUp(symmetries, symmetry, `${where}, symmetry`);
  return { layout, numbers, mirror };
}

/**
 * A matrix from the text of a MatrixMarket file (`.mtx`): coordinate or array, real, integer or pattern (kept entries are 1), general,
 * symmetric or skew-symmetric; indices count from 1, entries that repeat add up.
 * Format: https://math.nist.gov/MatrixMarket/formats.html
 * @throws BurinError `file` where it is damaged, `argument` for another layout, field or symmetry, `limit` for one too large to be dense
 */
export function readMtx(bytes: Uint8Array): Matrix {
  const lines = textLines(bytes), header = readHeader(lines[0] ?? '');
  const body = lines.slice(1).filter((line) => line.trim() && !line.startsWith('%'));
  const numbers = (line: string): number[] => line.trim().split(/\s+/).map(Number);
  const [rows, cols, entries] = numbers(body[0] ?? '');
  checkSize(rows, cols, where);
  const values = new Float32Array(rows * cols), { mirror } = header;
  const put = (row: number, col: number, value: number, line: string): void => {
    const inside = row >= 1 && row <= rows && col >= 1 && col <= cols && Number.isInteger(row) && Number.isInteger(col);
    expect(inside && !Number.isNaN(value), { kind: 'file', where, needs: `an entry of [${rows}, ${cols}]`, got: show(line) });
    values[(row - 1) * cols + col - 1] += value;
    if (mirror !== undefined && row !== col) values[(col - 1) * cols + row - 1] += mirror * value;
  };
  if (header.layout === 'array') return readArray({ rows, cols, values }, body.slice(1).flatMap(numbers), mirror, put);
  expect(body.length - 1 === entries, { kind: 'file', where, needs: `${entries} entries`, got: `${body.length - 1}` });
  for (const line of body.slice(1)) {
    const entry = numbers(line);
    expect(entry.length === header.numbers, { kind: 'file', where, needs: `${header.numbers} numbers a line`, got: show(line) });
    put(entry[0], entry[1], entry[2] ?? 1, line);
  }
  return { rows, cols, values };
}

type Put = (row: number, col: number, value: number, line: string) => void;

/** Column after column; of a symmetric matrix the lower triangle, of a skew-symmetric one that without its diagonal. */
function readArray(matrix: Matrix, given: readonly number[], mirror: number | undefined, put: Put): Matrix {
  const { rows, cols } = matrix, first = (col: number): number => (mirror === undefined ? 1 : mirror > 0 ? col : col + 1);
  let at = 0;
  for (let col = 1; col <= cols; col++) for (let row = first(col); row <= rows; row++, at++) put(row, col, given[at], `${given[at]}`);
  return at === given.length ? matrix : fail({ kind: 'file', where, needs: `${at} values`, got: `${given.length}` });
}
