import { expect } from '../expect.ts';
import type { Matrix } from '../formats/index.ts';
import { checkSize, textLines } from './text.ts';

const where = 'smtx file';

/**
 * A matrix from the text of an `.smtx` file, which says where nonzeros are and not what they are: they become 1. Rows, columns and
 * nonzeros, then rows + 1 row offsets, then column indices from 0, with or without commas; lines that begin with % are comments.
 * Format of the Deep Learning Matrix Collection (https://github.com/google-research/google-research/tree/master/sgk).
 * @throws BurinError `file` where it is damaged, `limit` for a matrix too large to be dense
 */
export function readSmtx(bytes: Uint8Array): Matrix {
  const text = textLines(bytes).filter((line) => !line.startsWith('%')).join(' ');
  const numbers = Float64Array.from(text.split(/[\s,]+/).filter(Boolean), Number);
  const [rows, cols, nonzeros] = numbers;
  checkSize(rows, cols, where);
  const needs = 3 + rows + 1 + nonzeros;
  expect(numbers.length === needs, {
    kind: 'file', where: `${where} [${rows}, ${cols}]`, needs: `${needs} numbers`, got: `${numbers.length}`,
  });
  const offsets = numbers.subarray(3, 4 + rows), indices = numbers.subarray(4 + rows), values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const from = offsets[row], to = offsets[row + 1];
    expect(from <= to && to <= nonzeros && (row > 0 || from === 0), {
      kind: 'file', where: `${where}, row ${row}`, needs: `ascending offsets from 0 to ${nonzeros}`, got: `${from}, ${to}`,
    });
    for (const col of indices.subarray(from, to)) {
      expect(Number.isInteger(col) && col >= 0 && col < cols, {
        kind: 'file', where: `${where}, row ${row}`, needs: `a column below ${cols}`, got: `${col}`,
      });
      values[row * cols + col] = 1;
    }
  }
  return { rows, cols, values };
}
