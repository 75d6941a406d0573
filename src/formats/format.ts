import { expect, show } from '../expect.ts';

/** A matrix, row-major: `values[rows · cols]`. A convolution's weight is one with rows = O and cols = KH·KW·I. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
}

/** How a kernel wants its weight laid out. */
export interface Layout {
  /** Rows the kernel computes at once: values come in groups of this many, zeros where a block has fewer. */
  readonly lanes: number;
  /** Bytes between consecutive k in the kernel's other operand; an index is k · unit. */
  readonly unit: number;
  /** Most consecutive k in one pass. */
  readonly kBlock: number;
  /** Single weights with rows in pairs (pair.ts); `lanes` is 2 then. */
  readonly pairs?: boolean;
  /** [cols] the index of each k, where that is not its place in the block of K times `unit` (pairs only). */
  readonly offsets?: Uint32Array;
  /** Bytes of an index, 2 where absent (pairs only). */
  readonly indexBytes?: 2 | 4;
}

/** The block of a format: rows × cols weights stored together, or `keep` weights of every `of` along a row. */
export interface Block {
  readonly rows: number;
  readonly cols: number;
  readonly keep?: number;
  readonly of?: number;
}

/**
 * What passes from formats to kernels; the same bytes go to every device. For each part (a block of K) and each block
 * of rows the stored positions in order; a position is `blockCols` consecutive k of `lanes` rows.
 */
export interface Packed {
  readonly format: string;
  readonly block: Block;
  readonly rows: number;
  readonly cols: number;
  readonly layout: Layout;
  /** Rows in a kernel's block of rows, at most `layout.lanes`, and how many such blocks there are. */
  readonly blockRows: number;
  readonly blocks: number;
  /** Columns a position stands for. */
  readonly blockCols: number;
  /** values[positions · blockCols · lanes]: part by part, block by block, position by position, k by k, row by row. */
  readonly values: Float32Array;
  /** idx[positions]: byte offsets (k − k0) · unit, or those of the layout; empty where every k is stored. */
  readonly idx: Uint16Array | Uint32Array;
  /** ptr[parts · (blocks + 1)]: positions before each block of rows, counted anew in every part; for pairs, see pair.ts. */
  readonly ptr: Uint32Array;
  /** order[parts · 2 · blocks]: the rows of each pair (pairs only). */
  readonly order?: Uint32Array;
  /** Positions before each part. */
  readonly starts: readonly number[];
  /** Values before each part, where that does not follow from `starts` (pairs only). */
  readonly valueStarts?: readonly number[];
  /** Nonzero weights, and weights stored (zeros inside blocks included). */
  readonly nnz: number;
  readonly stored: number;
}

/** A row of the format table: which positions are stored. */
export interface Format {
  /** One line for help texts. */
  readonly about: string;
  /** Whether an index goes with each position. */
  readonly indexed: boolean;
  /** The block when none is asked for. */
  readonly block: Block;
  /** @throws BurinError when the matrix cannot be stored with this block. */
  readonly check?: (matrix: Matrix, block: Block, where: string) => void;
  /**
   * Writes the positions k in [k0, k1) stored for the block of rows that contains `row` to `out`, ascending, and returns
   * how many they are. `out` holds k1 − k0.
   */
  readonly stored: (matrix: Matrix, block: Block, row: number, k0: number, k1: number, out: Uint32Array) => number;
}

/** The smallest normal f32: anything below costs a kernel a factor of many and is flushed when packing. */
const SMALLEST_NORMAL = 2 ** -126;

/** w, or 0 where w is subnormal. */
export function flush(w: number): number {
  return Math.abs(w) < SMALLEST_NORMAL ? 0 : w;
}

/** @throws BurinError `argument` for what is no matrix, `shape` when the values do not fill rows × cols. */
export function checkMatrix(matrix: Matrix, where: string): void {
  expect(matrix?.values instanceof Float32Array, {
    kind: 'argument', where, needs: 'a matrix: { rows, cols, values: Float32Array }',
    got: matrix ? `values of type ${typeof matrix.values}` : show(matrix),
  });
  const { rows, cols, values } = matrix;
  expect(Number.isInteger(rows) && Number.isInteger(cols) && rows >= 0 && cols >= 0 && values.length === rows * cols, {
    kind: 'shape', where, needs: `rows · cols = ${rows * cols} values`, got: `${values.length}`,
  });
}

/** Whether rows [row, row + rows) × columns [k, k + cols) hold anything but zeros and subnormals. */
export function occupied(matrix: Matrix, row: number, rows: number, k: number, cols: number): boolean {
  const lastRow = Math.min(row + rows, matrix.rows), lastCol = Math.min(k + cols, matrix.cols);
  for (let r = row; r < lastRow; r++) {
    for (let c = k, at = r * matrix.cols + k; c < lastCol; c++, at++) if (flush(matrix.values[at]) !== 0) return true;
  }
  return false;
}

/** Nonzero weights (subnormals count as zero). */
export function countNonzero(values: ArrayLike<number>): number {
  let n = 0;
  for (let i = 0; i < values.length; i++) if (flush(values[i]) !== 0) n++;
  return n;
}
