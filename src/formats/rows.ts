import { flush, type Matrix } from './format.ts';

/** The nonzeros of a matrix, row by row: columns ascending, colIdx and values [rowPtr[r] … rowPtr[r + 1]). */
export interface Rows {
  readonly rows: number;
  readonly cols: number;
  readonly rowPtr: Uint32Array;
  readonly colIdx: Uint32Array;
  readonly values: Float32Array;
}

/** Subnormal weights count as zero. */
export function rowsOf({ rows, cols, values }: Matrix): Rows {
  const rowPtr = new Uint32Array(rows + 1);
  for (let r = 0, at = 0; r < rows; r++) {
    let n = 0;
    for (const end = at + cols; at < end; at++) if (flush(values[at]) !== 0) n++;
    rowPtr[r + 1] = rowPtr[r] + n;
  }
  const colIdx = new Uint32Array(rowPtr[rows]), kept = new Float32Array(rowPtr[rows]);
  for (let at = 0, n = 0; at < values.length; at++) {
    if (flush(values[at]) === 0) continue;
    colIdx[n] = at % cols;
    kept[n++] = values[at];
  }
  return { rows, cols, rowPtr, colIdx, values: kept };
}

/** The first place of [from, to) whose column is `k` or more. */
function placeOf(colIdx: Uint32Array, k: number, from: number, to: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (colIdx[middle] < k) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Columns [k0, k1) of a matrix, counted from k0. */
export function columnsOf({ rows, cols, rowPtr, colIdx, values }: Rows, k0: number, k1: number): Rows {
  const ptr = new Uint32Array(rows + 1), first = new Uint32Array(rows);
  if (k0 === 0 && k1 === cols) return { rows, cols, rowPtr, colIdx, values };
  for (let r = 0; r < rows; r++) {
    first[r] = placeOf(colIdx, k0, rowPtr[r], rowPtr[r + 1]);
    ptr[r + 1] = ptr[r] + placeOf(colIdx, k1, first[r], rowPtr[r + 1]) - first[r];
  }
  const columns = new Uint32Array(ptr[rows]), kept = new Float32Array(ptr[rows]);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let i = first[r]; at < ptr[r + 1]; i++, at++) {
      columns[at] = colIdx[i] - k0;
      kept[at] = values[i];
    }
  }
  return { rows, cols: k1 - k0, rowPtr: ptr, colIdx: columns, values: kept };
}
