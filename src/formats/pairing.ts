import type { Rows } from './rows.ts';

/** Later rows that a row may choose its partner from; the search costs rows · this · cols / 32 operations. */
const CHOICE = 64;
/**
 * Relative time of a column that both rows have, and of a turn of two columns that one row has each: an AMD Zen 3 core needs 6.1
 * and 7.4 cycles for 24 columns of C. A column that finds no turn costs as much as a shared one.
 */
const SHARED = 6.1;
const TURN = 7.4;

/** Bit k of row r says whether it has column k: words[r · perRow + (k >> 5)]. */
function bitsOf({ rows, cols, rowPtr, colIdx }: Rows): { words: Uint32Array; perRow: number } {
  const perRow = Math.ceil(cols / 32), words = new Uint32Array(rows * perRow);
  for (let r = 0; r < rows; r++) {
    for (let i = rowPtr[r]; i < rowPtr[r + 1]; i++) words[r * perRow + (colIdx[i] >>> 5)] |= 1 << (colIdx[i] & 31);
  }
  return { words, perRow };
}

function countBits(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555), nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Puts rows in pairs that share as many columns as may be found: each row, the longest first, takes of the next rows the partner
 * that saves most time. A last row without partner is its own.
 * @returns rows [2 · ceil(rows / 2)], pair by pair
 */
export function pairRows(matrix: Rows): Uint32Array {
  const { rows, rowPtr } = matrix, { words, perRow } = bitsOf(matrix);
  const length = (r: number): number => rowPtr[r + 1] - rowPtr[r];
  const common = (r: number, s: number): number => {
    let n = 0;
    for (let i = r * perRow, j = s * perRow, end = i + perRow; i < end; i++, j++) n += countBits(words[i] & words[j]);
    return n;
  };
  const saved = (r: number, s: number): number => {
    const shared = common(r, s), shorter = Math.min(length(r), length(s)), longer = Math.max(length(r), length(s));
    return TURN * ((shorter + longer) / 2) - SHARED * (shared + longer - shorter) - TURN * (shorter - shared);
  };
  // Sorting is stable: rows of one length keep their order, so that neighbours that belong together stay close.
  const line = Uint32Array.from({ length: rows }, (_, r) => r).sort((r, s) => length(s) - length(r) || r - s);
  const order = new Uint32Array(2 * Math.ceil(rows / 2));
  // Of those that still wait the next to choose stand in `near`, in order; the others behind them in `line` from `next` on.
  const near: number[] = [];
  for (let at = 0, next = 0; near.length || next < rows; at += 2) {
    while (near.length <= CHOICE && next < rows) near.push(line[next++]);
    const row = near.shift()!;
    let best = -1, most = -Infinity;
    for (let i = 0; i < near.length; i++) {
      const gain = saved(row, near[i]);
      if (gain > most) [best, most] = [i, gain];
    }
    order[at] = row;
    order[at + 1] = best < 0 ? row : near.splice(best, 1)[0];
  }
  return order;
}
