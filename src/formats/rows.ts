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

/** Columns [k0, k1) of a matrix, counted from k0. */
export function columnsOf({ rows, rowPtr, colIdx, values }: Rows, k0: number, k1: number): Rows {
  const ptr = new Uint32Array(rows + 1), columns: number[] = [], kept: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let i = rowPtr[r]; i < rowPtr[r + 1]; i++) {
      if (colIdx[i] < k0 || colIdx[i] >= k1) continue;
      columns.push(colIdx[i] - k0);
      kept.push(values[i]);
    }
    ptr[r + 1] = columns.length;
  }
  return { rows, cols: k1 - k0, rowPtr: ptr, colIdx: Uint32Array.from(columns), values: Float32Array.from(kept) };
}
