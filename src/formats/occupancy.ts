import { flush, type Block, type Matrix } from './format.ts';

// What a matrix would store in which blocks, by a bit for each weight: weights are walked once, and then their bits again and again, 32
// at a time.

/** Bits of a word. */
const WORD = 32;

/** Kept weights, a bit each; every row begins with a word. */
interface Occupancy {
  /** words[rows · across] */
  readonly words: Uint32Array;
  /** Words of a row. */
  readonly across: number;
  readonly nonzero: number;
  /** Fills that were counted, by block. */
  readonly fills: Map<string, number>;
}

const known = new WeakMap<Matrix, Occupancy>();

function occupancyOf(matrix: Matrix): Occupancy {
  const found = known.get(matrix);
  if (found) return found;
  const { rows, cols, values } = matrix, across = Math.ceil(cols / WORD), words = new Uint32Array(rows * across);
  let nonzero = 0;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let k = 0; k < cols; k += WORD) {
      let word = 0;
      for (let bit = 0, last = Math.min(WORD, cols - k); bit < last; bit++, at++) if (flush(values[at]) !== 0) word |= 1 << bit;
      words[row * across + k / WORD] = word;
      nonzero += ones(word);
    }
  }
  const own = { words, across, nonzero, fills: new Map<string, number>() };
  known.set(matrix, own);
  return own;
}

/** Nonzero weights of a matrix that must not change afterwards (subnormals count as zero). */
export function nonzerosOf(matrix: Matrix): number {
  return occupancyOf(matrix).nonzero;
}

/** Share of the weights stored in rows × cols blocks that are nonzero; 0 where there are none. The matrix must not change afterwards. */
export function fillOf(matrix: Matrix, { rows, cols }: Block): number {
  const own = occupancyOf(matrix), key = `${rows}x${cols}`, before = own.fills.get(key);
  if (before !== undefined) return before;
  const blocks = countBlocks(own, matrix.rows, { rows, cols }), fill = blocks ? own.nonzero / (blocks * rows * cols) : 0;
  own.fills.set(key, fill);
  return fill;
}

/** Blocks with a nonzero: rows of blocks are laid over each other. */
function countBlocks({ words, across }: Occupancy, matrixRows: number, { rows, cols }: Block): number {
  const line = new Uint32Array(across), countIn = WORD % cols === 0 ? countAligned : countAnywhere;
  let blocks = 0;
  for (let row = 0; row < matrixRows; row += rows) {
    line.set(words.subarray(row * across, (row + 1) * across));
    for (let at = (row + 1) * across, end = Math.min(row + rows, matrixRows) * across; at < end;) {
      for (let i = 0; i < across; i++, at++) line[i] |= words[at];
    }
    blocks += countIn(line, cols);
  }
  return blocks;
}

/** Groups of `cols` bits, a divisor of a word's, that are not all zero: each is folded into its lowest bit. */
function countAligned(line: Uint32Array, cols: number): number {
  const lowest = Math.floor((2 ** WORD - 1) / (2 ** cols - 1));
  let groups = 0;
  for (let word of line) {
    for (let shift = 1; shift < cols; shift *= 2) word |= word >>> shift;
    groups += ones(word & lowest);
  }
  return groups;
}

/** Groups of any number of bits that are not all zero. */
function countAnywhere(line: Uint32Array, cols: number): number {
  let groups = 0, last = -1;
  for (let i = 0; i < line.length; i++) {
    for (let word = line[i]; word !== 0; word &= word - 1) {
      const group = Math.floor((i * WORD + 31 - Math.clz32(word & -word)) / cols);
      if (group !== last) groups++;
      last = group;
    }
  }
  return groups;
}

/** Whether no window of `of` consecutive weights of a row, 2, 4 or 8 of a multiple of that, holds more than `keep` nonzeros. */
export function fitsWindows(matrix: Matrix, keep: number, of: number): boolean {
  const { words } = occupancyOf(matrix), everyField = Math.floor((2 ** WORD - 1) / (2 ** of - 1));
  // A field of `of` bits holds the count of its ones; what is added carries into its highest bit where they are more than `keep`.
  const most = 2 ** (of - 1), margin = Math.imul(everyField, most - 1 - keep), carries = Math.imul(everyField, most);
  return keep >= of || words.every((word) => ((countFields(word, of) + margin) & carries) === 0);
}

/** Ones in each field of `of` bits. */
function countFields(word: number, of: number): number {
  const twos = word - ((word >>> 1) & 0x55555555);
  if (of === 2) return twos;
  const fours = (twos & 0x33333333) + ((twos >>> 2) & 0x33333333);
  return of === 4 ? fours : (fours + (fours >>> 4)) & 0x0f0f0f0f;
}

function ones(word: number): number {
  return Math.imul(countFields(word, 8), 0x01010101) >>> 24;
}
