import { expect, lookUp, show } from '../expect.ts';
import { bsr } from './bsr.ts';
import { csr } from './csr.ts';
import { dense } from './dense.ts';
import { checkMatrix, countNonzero, flush, type Block, type Format, type Layout, type Matrix, type Packed } from './format.ts';
import { nm } from './nm.ts';
import { packPairs, unpackPairs } from './pair.ts';
import { rowsOf } from './rows.ts';

export * from './format.ts';

/** How kept weights can be stored. */
export const formats = { dense, csr, bsr, nm } satisfies Record<string, Format>;
export type FormatName = keyof typeof formats;

/** Bytes a 16-bit index can reach: what bounds a block of K. */
const REACH = 2 ** 16;
/**
 * Rows one kernel call computes at once. Eight rows by one vector measured 40 GFLOP/s where four rows by two gave 52
 * (fifteen registers), so a block of eight is run as two of four.
 */
const MOST_LANES = 6;

/**
 * Rows of a format's block that are packed together: the whole block where a kernel can hold it, else its largest part
 * that divides it.
 * @param most rows that a kernel can hold
 */
export function kernelRows(blockRows: number, most = MOST_LANES): number {
  for (let rows = Math.min(blockRows, most); rows > 1; rows--) if (blockRows % rows === 0) return rows;
  return 1;
}

/** Rows kernels exist for. */
const LANES = [1, 2, 4, MOST_LANES];

/** The narrowest kernel that holds `rows` rows. */
export function smallestLanes(rows: number): number {
  return LANES.find((lanes) => lanes >= rows) ?? MOST_LANES;
}

/** Largest block of K that fits `bytes` of panel and the reach of an index, split evenly, in whole `step`s. */
export function evenBlock(cols: number, unit: number, bytes: number, step: number): number {
  const most = Math.max(step, Math.floor(Math.min(bytes, REACH) / unit / step) * step);
  const parts = Math.max(1, Math.ceil(cols / most));
  return Math.max(step, Math.ceil(cols / parts / step) * step);
}

/**
 * Packs a matrix for a kernel. Subnormal weights become zero.
 * @param layout the kernel's wishes; `layout.kBlock` is rounded up to whole blocks. Where absent: rows as few as the block
 *   lets a kernel have, indices that are k itself, all columns in one pass if 16 bits can count them
 * @param block rows × cols or keep:of; the format's own where absent
 * @throws BurinError when the format cannot store the matrix or an index would not fit 16 bits
 */
export function pack(name: string, matrix: Matrix, layout?: Layout, block?: Block, where = 'pack'): Packed {
  const format: Format = lookUp(formats, name, where);
  const shape = block ?? format.block;
  checkMatrix(matrix, where);
  format.check?.(matrix, shape, where);
  const step = shape.of ?? shape.cols;
  const { lanes, unit, pairs, offsets, indexBytes, ...wish } = checkedLayout(layout ?? defaultLayout(matrix, shape, step), where);
  const kBlock = Math.ceil(wish.kBlock / step) * step;
  if (pairs) {
    const own = { lanes: 2, unit, kBlock, pairs, offsets, indexBytes };
    return packedPairs({ name, format, matrix, block: shape, layout: own, blockRows: 2 }, where);
  }
  // A dense kernel may take any number of rows at once; a block keeps its own. Shaders may hold more rows than kernels do.
  const blockRows = name === 'dense' ? lanes : kernelRows(shape.rows, Math.max(lanes, MOST_LANES));
  expect(blockRows <= lanes, { kind: 'argument', where, needs: `a kernel of ${blockRows} rows or more`, got: `${lanes}` });
  if (format.indexed) checkReach(matrix, { lanes, unit, kBlock }, where);
  return fill({ name, format, matrix, block: shape, layout: { lanes, unit, kBlock }, blockRows });
}

function checkReach({ cols }: Matrix, { unit, kBlock, offsets, indexBytes }: Layout, where: string): void {
  const last = offsets ? offsets.reduce((most, offset) => Math.max(most, offset), 0) : (Math.min(kBlock, cols) - 1) * unit;
  expect(indexBytes === 4 || last < REACH, {
    kind: 'limit', where, needs: `a block of K within ${REACH} bytes`, got: `${kBlock} × ${unit}`, remedy: 'lower kBlock',
  });
}

/** Single weights only: the rows of a block have no partners to choose. */
function packedPairs({ name, format, matrix, block, layout }: Plan, where: string): Packed {
  expect(format.indexed && block.rows === 1 && block.cols === 1, {
    kind: 'argument', where, needs: 'a format of single weights for rows in pairs', got: `${name} ${block.rows}x${block.cols}`,
  });
  checkReach(matrix, layout, where);
  // A window with too many weights is found by looking for what it would store.
  if (block.of) for (let row = 0; row < matrix.rows; row++) format.stored(matrix, block, row, 0, matrix.cols, new Uint32Array(matrix.cols));
  return packPairs(rowsOf(matrix), layout, { format: name, block });
}

function defaultLayout({ cols }: Matrix, block: Block, step: number): Layout {
  return { lanes: smallestLanes(kernelRows(block.rows)), unit: 1, kBlock: evenBlock(cols, 1, REACH, step) };
}

function checkedLayout(layout: Layout, where: string): Layout {
  for (const name of ['lanes', 'unit', 'kBlock'] as const) {
    const value: unknown = layout[name];
    expect(Number.isInteger(value) && (value as number) >= 1, {
      kind: 'argument', where: `${where}, layout ${name}`, needs: 'a whole number of 1 or more', got: show(value),
    });
  }
  return layout;
}

interface Plan { name: string; format: Format; matrix: Matrix; block: Block; layout: Layout; blockRows: number }

/** Positions before each block of rows, for each part. */
function countPositions(
  { format, matrix, block, layout, blockRows }: Plan, found: Uint32Array,
): { ptr: Uint32Array; starts: number[]; total: number } {
  const blocks = Math.ceil(matrix.rows / blockRows), parts = Math.ceil(matrix.cols / layout.kBlock);
  const ptr = new Uint32Array(parts * (blocks + 1)), starts: number[] = [];
  let total = 0;
  for (let part = 0; part < parts; part++) {
    const k0 = part * layout.kBlock, k1 = Math.min(k0 + layout.kBlock, matrix.cols), at = part * (blocks + 1);
    starts.push(total);
    for (let b = 0; b < blocks; b++) ptr[at + b + 1] = ptr[at + b] + format.stored(matrix, block, b * blockRows, k0, k1, found);
    total += ptr[at + blocks];
  }
  return { ptr, starts, total };
}

function fill(plan: Plan): Packed {
  const { name, format, matrix, block, layout, blockRows } = plan;
  const blocks = Math.ceil(matrix.rows / blockRows), found = new Uint32Array(Math.min(layout.kBlock, matrix.cols));
  const { ptr, starts, total } = countPositions(plan, found);
  const values = new Float32Array(total * block.cols * layout.lanes), idx = new Uint16Array(format.indexed ? total : 0);
  let position = 0;
  for (let k0 = 0; k0 < matrix.cols; k0 += layout.kBlock) {
    for (let b = 0; b < blocks; b++) {
      const n = format.stored(matrix, block, b * blockRows, k0, Math.min(k0 + layout.kBlock, matrix.cols), found);
      for (let i = 0; i < n; i++, position++) {
        if (format.indexed) idx[position] = (found[i] - k0) * layout.unit;
        copyIn(values, position * block.cols * layout.lanes, matrix, {
          row: b * blockRows, rows: blockRows, k: found[i], cols: block.cols, lanes: layout.lanes,
        });
      }
    }
  }
  return {
    format: name, block, rows: matrix.rows, cols: matrix.cols, layout, blockRows, blocks, blockCols: block.cols, values, idx, ptr, starts,
    nnz: countNonzero(matrix.values), stored: total * block.cols * blockRows,
  };
}

interface Patch { row: number; rows: number; k: number; cols: number; lanes: number }

/** One position's weights, k by k, `lanes` rows each; outside the matrix they stay zero. */
function copyIn(values: Float32Array, at: number, matrix: Matrix, { row, rows, k, cols, lanes }: Patch): void {
  const lastCol = Math.min(k + cols, matrix.cols), lastRow = Math.min(row + rows, matrix.rows);
  for (let c = k; c < lastCol; c++) {
    for (let r = row; r < lastRow; r++) values[at + (c - k) * lanes + r - row] = flush(matrix.values[r * matrix.cols + c]);
  }
}

/** The matrix a packing stands for. @throws BurinError `argument` for what is no packing. */
export function unpack(packed: Packed): Matrix {
  expect(packed?.values instanceof Float32Array && packed.ptr && packed.idx && packed.starts && packed.layout, {
    kind: 'argument', where: 'unpack', needs: 'a packing', got: packed ? `${typeof packed} without its arrays` : show(packed),
    remedy: 'make one with pack',
  });
  if (packed.order) return unpackPairs(packed);
  const { rows, cols, layout, blockRows, blocks, blockCols, idx, ptr, starts, values } = packed;
  const out = new Float32Array(rows * cols);
  starts.forEach((start, p) => {
    for (let b = 0; b < blocks; b++) {
      const from = ptr[p * (blocks + 1) + b], to = ptr[p * (blocks + 1) + b + 1];
      for (let i = from; i < to; i++) {
        const k = p * layout.kBlock + (idx.length ? idx[start + i] / layout.unit : i - from);
        copyOut(
          out, packed,
          { row: b * blockRows, rows: blockRows, k, cols: blockCols, lanes: layout.lanes },
          values, (start + i) * blockCols * layout.lanes,
        );
      }
    }
  });
  return { rows, cols, values: out };
}

function copyOut(out: Float32Array, { rows, cols }: Packed, patch: Patch, values: Float32Array, at: number): void {
  const lastCol = Math.min(patch.k + patch.cols, cols), lastRow = Math.min(patch.row + patch.rows, rows);
  for (let c = patch.k; c < lastCol; c++) {
    for (let r = patch.row; r < lastRow; r++) out[r * cols + c] = values[at + (c - patch.k) * patch.lanes + r - patch.row];
  }
}

/** Bytes of a packing: values, indices and pointers. */
export function packedBytes(packed: Packed): number {
  return packed.values.byteLength + packed.idx.byteLength + packed.ptr.byteLength + (packed.order?.byteLength ?? 0);
}
