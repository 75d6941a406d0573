import { expect } from '../expect.ts';
import { countNonzero, type Matrix } from '../formats/index.ts';
import { checkSize } from './text.ts';

const where = 'smtx file';

const SPACE = 32, COMMA = 44, ZERO = 48, PERCENT = 37, LINE_FEED = 10, RETURN = 13;
const separates = (byte: number): boolean => byte <= SPACE || byte === COMMA;
const ends = (byte: number): boolean => byte === LINE_FEED || byte === RETURN;

/** The first byte at or behind `at` that is no separator and in no comment. */
function skip(bytes: Uint8Array, at: number): number {
  for (; at < bytes.length; at++) {
    if (bytes[at] === PERCENT && (at === 0 || ends(bytes[at - 1]))) while (at < bytes.length && !ends(bytes[at])) at++;
    else if (!separates(bytes[at])) break;
  }
  return at;
}

/** The numbers of the text, NaN for what is none. Byte by byte: the text of millions of them would take as many strings. */
function numbersOf(bytes: Uint8Array): Float64Array {
  // A number and what separates it from the next take two bytes.
  const numbers = new Float64Array(Math.ceil((bytes.length + 1) / 2));
  let count = 0;
  for (let at = skip(bytes, 0); at < bytes.length; at = skip(bytes, at)) {
    let number = 0;
    for (; at < bytes.length && !separates(bytes[at]); at++) {
      const digit = bytes[at] - ZERO;
      number = digit >= 0 && digit <= 9 ? number * 10 + digit : NaN;
    }
    numbers[count++] = number;
  }
  return numbers.subarray(0, count);
}

/**
 * A matrix from the text of an `.smtx` file, which says where nonzeros are and not what they are: they become 1. Rows, columns and
 * nonzeros, then rows + 1 row offsets, then column indices from 0, with or without commas; lines that begin with % are comments.
 * Format of the Deep Learning Matrix Collection (https://github.com/google-research/google-research/tree/master/sgk).
 * @throws BurinError `file` where it is damaged, `limit` for a matrix too large to be dense
 */
export function readSmtx(bytes: Uint8Array): Matrix {
  const numbers = numbersOf(bytes);
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

/**
 * The text of an `.smtx` file: where a matrix has nonzeros. Three lines: rows, columns and nonzeros with commas between them, as the
 * Deep Learning Matrix Collection has it; row offsets; column indices.
 */
export function writeSmtx({ rows, cols, values }: Matrix): Uint8Array {
  const offsets = new Uint32Array(rows + 1), indices = new Uint32Array(countNonzero(values));
  for (let row = 0, at = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) if (values[row * cols + col] !== 0) indices[at++] = col;
    offsets[row + 1] = at;
  }
  const head = new TextEncoder().encode(`${rows}, ${cols}, ${indices.length}\n`);
  const bytes = new Uint8Array(head.length + lineBytes(offsets) + lineBytes(indices));
  bytes.set(head);
  writeLine(indices, bytes, writeLine(offsets, bytes, head.length));
  return bytes;
}

const digitsOf = (number: number): number => {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
};

/** Every number is followed by a space or, the last one, by the end of the line; a line of none is its end. */
const lineBytes = (numbers: Uint32Array): number => numbers.reduce((sum, number) => sum + digitsOf(number) + 1, 0) || 1;

/** Writes a line from `at` on and returns where it ends. Byte by byte: the text of millions of numbers would not fit a string. */
function writeLine(numbers: Uint32Array, bytes: Uint8Array, at: number): number {
  for (const number of numbers) {
    const end = at + digitsOf(number);
    for (let i = end - 1, rest = number; i >= at; i--, rest = Math.floor(rest / 10)) bytes[i] = 48 + (rest % 10);
    bytes[end] = 32;
    at = end + 1;
  }
  const end = numbers.length === 0 ? at + 1 : at;
  bytes[end - 1] = 10;
  return end;
}
