import { expect, show } from '../expect.ts';
import { countNonzero, flush, type Block, type Layout, type Packed } from './format.ts';
import { pack, unpack, type FormatName } from './index.ts';
import { eachOfPairs, packPairs } from './pair.ts';
import type { Rows } from './rows.ts';

// From one packing to another through the nonzeros alone: time and memory follow what is stored, never rows × cols.

type Numbers = ArrayLike<number>;

/** Compressed sparse rows as other libraries have them: values[nnz], colIdx[nnz], rowPtr[rows + 1]. */
export interface CsrArrays {
  readonly rows: number;
  readonly cols: number;
  readonly values: Numbers;
  readonly colIdx: Numbers;
  readonly rowPtr: Numbers;
}

/** Coordinates in any order: values[nnz], rowIdx[nnz], colIdx[nnz]. */
export interface CooArrays extends Omit<CsrArrays, 'rowPtr'> {
  readonly rowIdx: Numbers;
}

/** What to make: the arguments of `pack`. */
export interface Target {
  /** `csr` where absent. */
  readonly format?: FormatName;
  readonly layout?: Layout;
  readonly block?: Block;
}

const whole = (n: unknown): boolean => Number.isInteger(n) && (n as number) >= 0 && (n as number) < 2 ** 32;

function checkSize({ rows, cols }: { rows: number; cols: number }, where: string): void {
  expect(whole(rows) && whole(cols), {
    kind: 'shape', where, needs: 'whole rows and cols of 0 or more', got: `${show(rows)} × ${show(cols)}`,
  });
}

function checkIndices(indices: Numbers, limit: number, length: number, where: string): void {
  expect(indices?.length === length, { kind: 'shape', where, needs: `${length} of them, one a value`, got: show(indices?.length) });
  for (let i = 0; i < length; i++) {
    const index = indices[i];
    expect(whole(index) && index < limit, { kind: 'argument', where: `${where}[${i}]`, needs: `0 to ${limit - 1}`, got: show(index) });
  }
}

/** The row of every entry. @throws BurinError when rowPtr does not climb from 0 to nnz */
function rowsOf({ rows, rowPtr, values }: CsrArrays, where: string): Uint32Array {
  expect(rowPtr?.length === rows + 1, {
    kind: 'shape', where: `${where} rowPtr`, needs: `rows + 1 = ${rows + 1}`, got: show(rowPtr?.length),
  });
  const rowIdx = new Uint32Array(values.length);
  for (let row = 0, at = 0; row < rows; row++) {
    const end = rowPtr[row + 1];
    expect(whole(end) && rowPtr[row] === at && end >= at && end <= values.length, {
      kind: 'argument', where: `${where} rowPtr[${row + 1}]`, needs: `numbers that climb from 0 to ${values.length}`, got: show(end),
    });
    rowIdx.fill(row, at, end);
    at = end;
  }
  expect(rowPtr[rows] === values.length, {
    kind: 'argument', where: `${where} rowPtr[${rows}]`, needs: `${values.length}`, got: show(rowPtr[rows]),
  });
  return rowIdx;
}

/** Where each of `count` buckets begins. */
function bounds(keys: Numbers, count: number): Uint32Array {
  const ptr = new Uint32Array(count + 1);
  for (let i = 0; i < keys.length; i++) ptr[keys[i] + 1]++;
  for (let b = 0; b < count; b++) ptr[b + 1] += ptr[b];
  return ptr;
}

/** Entries' places ordered by key; equal keys keep the order of `from`. */
function order(keys: Numbers, count: number, from?: Uint32Array): Uint32Array {
  const next = bounds(keys, count), sorted = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const entry = from ? from[i] : i;
    sorted[next[keys[entry]]++] = entry;
  }
  return sorted;
}

/** Sorts entries by row and column, two counting sorts, and leaves out zeros. */
function nonzerosOf({ rows, cols, values, rowIdx, colIdx }: CooArrays, where: string): Rows {
  const sorted = order(rowIdx, rows, order(colIdx, cols));
  const kept = sorted.filter((entry) => flush(values[entry]) !== 0);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1], sorted[i]];
    expect(rowIdx[a] !== rowIdx[b] || colIdx[a] !== colIdx[b], {
      kind: 'argument', where, needs: 'one value a place', got: `two at [${rowIdx[a]}, ${colIdx[a]}]`, remedy: 'add them up',
    });
  }
  return {
    rows, cols, values: Float32Array.from(kept, (entry) => values[entry]), colIdx: kept.map((entry) => colIdx[entry]),
    rowPtr: bounds(kept.map((entry) => rowIdx[entry]), rows),
  };
}

/**
 * Packs coordinates in any order.
 * @throws BurinError for an index outside the matrix, two values at one place, or what the format cannot store
 */
export function fromCoo(arrays: CooArrays, to: Target = {}): Packed {
  const where = 'fromCoo', { rows, cols, values } = arrays;
  checkSize(arrays, where);
  expect(values?.length >= 0, { kind: 'argument', where, needs: 'values', got: show(values) });
  checkIndices(arrays.rowIdx, rows, values.length, `${where} rowIdx`);
  checkIndices(arrays.colIdx, cols, values.length, `${where} colIdx`);
  return fromSorted(nonzerosOf(arrays, where), to, where);
}

/**
 * Packs compressed sparse rows; columns may come in any order within a row.
 * @throws BurinError for a rowPtr that does not climb, and as `fromCoo`
 */
export function fromCsr(arrays: CsrArrays, to: Target = {}): Packed {
  const where = 'fromCsr';
  checkSize(arrays, where);
  expect(arrays.values?.length >= 0, { kind: 'argument', where, needs: 'values', got: show(arrays.values) });
  checkIndices(arrays.colIdx, arrays.cols, arrays.values.length, `${where} colIdx`);
  return fromSorted(nonzerosOf({ ...arrays, rowIdx: rowsOf(arrays, where) }, where), to, where);
}

/** Calls `visit(row, column, place)` for every stored weight, values[place], in the order of the packing. */
export function eachStored(packed: Packed, visit: (row: number, k: number, place: number) => void): void {
  if (packed.order) return eachOfPairs(packed, visit);
  const { rows, cols, layout, blockRows, blocks, blockCols, idx, ptr, starts } = packed;
  starts.forEach((start, p) => {
    for (let b = 0; b < blocks; b++) {
      const from = ptr[p * (blocks + 1) + b], to = ptr[p * (blocks + 1) + b + 1], lastRow = Math.min(blockRows, rows - b * blockRows);
      for (let i = from; i < to; i++) {
        const k = p * layout.kBlock + (idx.length ? idx[start + i] / layout.unit : i - from), lastCol = Math.min(blockCols, cols - k);
        for (let c = 0, at = (start + i) * blockCols * layout.lanes; c < lastCol; c++, at += layout.lanes) {
          for (let r = 0; r < lastRow; r++) visit(b * blockRows + r, k + c, at + r);
        }
      }
    }
  });
}

/** Of rows in pairs, which store a row's columns in an order of their own. */
function sortedPairs(packed: Packed): Rows {
  const values: number[] = [], rowIdx: number[] = [], colIdx: number[] = [];
  eachOfPairs(packed, (row, k, place) => {
    values.push(packed.values[place]);
    rowIdx.push(row);
    colIdx.push(k);
  });
  return nonzerosOf({ rows: packed.rows, cols: packed.cols, values, rowIdx, colIdx }, 'toCsr');
}

/** The nonzeros of a packing as compressed sparse rows, columns ascending. */
export function toCsr(packed: Packed): Rows {
  if (packed.order) return sortedPairs(packed);
  const rowPtr = new Uint32Array(packed.rows + 1);
  eachStored(packed, (row, _k, place) => { if (packed.values[place] !== 0) rowPtr[row + 1]++; });
  for (let row = 0; row < packed.rows; row++) rowPtr[row + 1] += rowPtr[row];
  const next = rowPtr.slice(), values = new Float32Array(rowPtr[packed.rows]), colIdx = new Uint32Array(values.length);
  eachStored(packed, (row, k, place) => {
    if (packed.values[place] === 0) return;
    values[next[row]] = packed.values[place];
    colIdx[next[row]++] = k;
  });
  return { rows: packed.rows, cols: packed.cols, values, colIdx, rowPtr };
}

/** The same matrix in another format, block or layout. @throws BurinError when that cannot store it */
export function convert(packed: Packed, to: Target): Packed {
  // A dense packing has a place for every weight, so nothing is saved by looking for the nonzeros first.
  if (to.format === 'dense') return pack('dense', unpack(packed), to.layout, to.block, 'convert');
  return fromSorted(toCsr(packed), to, 'convert');
}

/** The transposed matrix, packed. @throws BurinError when the format cannot store it */
export function transpose(packed: Packed, to: Target = {}): Packed {
  const { rows, cols, values, colIdx, rowPtr } = toCsr(packed), sorted = order(colIdx, cols);
  const rowIdx = rowsOf({ rows, cols, values, colIdx, rowPtr }, 'transpose');
  return fromSorted({
    rows: cols, cols: rows, values: Float32Array.from(sorted, (entry) => values[entry]), colIdx: sorted.map((entry) => rowIdx[entry]),
    rowPtr: bounds(colIdx, cols),
  }, to, 'transpose');
}

/** First columns of the positions stored for a group of rows, ascending, to `out`; returns how many. */
type Positions = (from: Rows, block: Block, group: number, out: Uint32Array, where: string) => number;

const positions: Readonly<Record<Exclude<FormatName, 'dense'>, Positions>> = {
  csr: ({ colIdx, rowPtr }, _block, row, out) => {
    const own = colIdx.subarray(rowPtr[row], rowPtr[row + 1]);
    out.set(own);
    return own.length;
  },
  bsr: ({ rows, colIdx, rowPtr }, block, group, out) => {
    const own = colIdx.subarray(rowPtr[group * block.rows], rowPtr[Math.min((group + 1) * block.rows, rows)]);
    const starts = own.map((k) => k - (k % block.cols)).sort();
    let n = 0;
    for (const k of starts) if (n === 0 || out[n - 1] !== k) out[n++] = k;
    return n;
  },
  nm: ({ cols, colIdx, rowPtr }, { keep = 0, of = 1 }, row, out, where) => {
    let n = 0;
    for (let window = 0, at = rowPtr[row]; window < cols; window += of) {
      const first = at;
      while (at < rowPtr[row + 1] && colIdx[at] < window + of) at++;
      expect(at - first <= keep, {
        kind: 'argument', where: `${where}, ${keep}:${of} row ${row}, columns ${window} to ${window + of - 1}`,
        needs: `at most ${keep} nonzeros`, got: `${at - first}`, remedy: 'make it csr',
      });
      for (let k = window, spare = keep - (at - first), kept = first; k < window + of; k++) {
        if (kept < at && colIdx[kept] === k) kept++;
        else if (spare-- <= 0) continue;
        out[n++] = k;
      }
    }
    return n;
  },
};

/** A dense packing has a place for every weight: its matrix is made after all. */
function denseFrom({ rows, cols, values, colIdx, rowPtr }: Rows, { layout, block }: Target, where: string): Packed {
  const all = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) for (let i = rowPtr[row]; i < rowPtr[row + 1]; i++) all[row * cols + colIdx[i]] = values[i];
  return pack('dense', { rows, cols, values: all }, layout, block, where);
}

function fromSorted(from: Rows, to: Target, where: string): Packed {
  const { format = 'csr' } = to;
  if (format === 'dense') return denseFrom(from, to, where);
  // A packing of no rows has been checked, and knows its layout.
  const empty = pack(format, { rows: 0, cols: from.cols, values: new Float32Array(0) }, to.layout, to.block, where);
  if (empty.order) return pairsFrom(from, empty, positions[format], where);
  const own = { ...empty, rows: from.rows, blocks: Math.ceil(from.rows / empty.blockRows) };
  const counted = countPositions(from, own, positions[format], where);
  const { ptr, starts, total } = counted;
  const values = new Float32Array(total * own.blockCols * own.layout.lanes), idx = new Uint16Array(total);
  fill(from, { ...own, ptr, starts, values, idx }, positions[format], where);
  return { ...own, values, idx, ptr, starts, nnz: countNonzero(from.values), stored: total * own.blockCols * own.blockRows };
}

/** Rows in pairs, once no window is too full. */
function pairsFrom(from: Rows, { format, block, layout }: Packed, find: Positions, where: string): Packed {
  const found = new Uint32Array(from.cols);
  for (let row = 0; format === 'nm' && row < from.rows; row++) find(from, block, row, found, where);
  return packPairs(from, layout, { format, block });
}

/** Rows whose positions are found together: those of the format's block, which kernels may take in several of their own. */
const groupRows = ({ format, block }: Packed): number => (format === 'bsr' ? block.rows : 1);

function countPositions(
  from: Rows, own: Packed, find: Positions, where: string,
): { ptr: Uint32Array; starts: number[]; total: number } {
  const { blocks, blockRows, cols, layout } = own, parts = Math.ceil(cols / layout.kBlock), stride = blocks + 1;
  const found = new Uint32Array(cols), ptr = new Uint32Array(parts * stride), starts: number[] = [], rows = groupRows(own);
  for (let group = 0; group * rows < from.rows; group++) {
    const n = find(from, own.block, group, found, where), lastRow = Math.min((group + 1) * rows, from.rows);
    for (let b = (group * rows) / blockRows; b * blockRows < lastRow; b++) {
      for (let i = 0; i < n; i++) ptr[Math.floor(found[i] / layout.kBlock) * stride + b + 1]++;
    }
  }
  let total = 0;
  for (let p = 0; p < parts; p++) {
    for (let b = 0; b < blocks; b++) ptr[p * stride + b + 1] += ptr[p * stride + b];
    starts.push(total);
    total += ptr[p * stride + blocks];
  }
  return { ptr, starts, total };
}

/** Writes idx and values, row by row: a row's nonzeros and its block's positions are walked together. */
function fill(from: Rows, to: Packed, find: Positions, where: string): void {
  const { layout: { kBlock, unit, lanes }, blockRows, blocks, blockCols, ptr, starts, values, idx } = to;
  const found = new Uint32Array(to.cols), rows = groupRows(to);
  for (let row = 0, n = 0; row < from.rows; row++) {
    if (row % rows === 0) n = find(from, to.block, row / rows, found, where);
    const b = Math.floor(row / blockRows), next = starts.map((start, p) => start + ptr[p * (blocks + 1) + b]);
    for (let i = 0, at = from.rowPtr[row]; i < n; i++) {
      const k = found[i], part = Math.floor(k / kBlock), position = next[part]++;
      idx[position] = (k - part * kBlock) * unit;
      for (; at < from.rowPtr[row + 1] && from.colIdx[at] < k + blockCols; at++) {
        values[(position * blockCols + from.colIdx[at] - k) * lanes + (row - b * blockRows)] = from.values[at];
      }
    }
  }
}
