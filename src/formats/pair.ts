import type { Layout, Matrix, Packed } from './format.ts';
import { pairRows } from './pairing.ts';
import { columnsOf, type Rows } from './rows.ts';

// Unstructured weights for a kernel that computes two rows at once. For each block of K and each pair of rows: the columns
// that both have, then those of one alone, taken in turns, one of the first row and one of the second. Columns that find no
// turn count as shared, with a zero for the other row. Pairs are made of rows that share many columns, so that blocks
// of rows, and masks that nearly have such blocks, mostly read a column once for two multiplications.

/** What one pair of rows stores of one block of K: places in `Rows`, −1 for a zero. */
interface Stored {
  /** [2 · shared] one place for each of the two rows. */
  readonly shared: number[];
  /** [2 · turns] a place of the first row, one of the second. */
  readonly turns: number[];
}

function storedOf({ rowPtr, colIdx }: Rows, first: number, second: number): Stored {
  const shared: number[] = [], left: number[] = [], right: number[] = [];
  let i = rowPtr[first], j = rowPtr[second];
  const iEnd = rowPtr[first + 1], jEnd = first === second ? j : rowPtr[second + 1];
  while (i < iEnd || j < jEnd) {
    if (i < iEnd && j < jEnd && colIdx[i] === colIdx[j]) shared.push(i++, j++);
    else if (j === jEnd || (i < iEnd && colIdx[i] < colIdx[j])) left.push(i++);
    else right.push(j++);
  }
  const turns = Math.min(left.length, right.length);
  for (const place of left.slice(turns)) shared.push(place, -1);
  for (const place of right.slice(turns)) shared.push(-1, place);
  return { shared, turns: left.slice(0, turns).flatMap((place, t) => [place, right[t]]) };
}

/**
 * A matrix as pairs of rows, paired anew in each block of K. A layout may give the index of each k.
 */
export function packPairs(whole: Rows, layout: Layout, name: Pick<Packed, 'format' | 'block'>): Packed {
  const { rows, cols } = whole, { unit, kBlock, offsets } = layout, blocks = Math.ceil(rows / 2);
  const values: number[] = [], idx: number[] = [], ptr: number[] = [], order: number[] = [];
  const starts: number[] = [], valueStarts: number[] = [];
  for (let k0 = 0; k0 < cols; k0 += kBlock) {
    const part = columnsOf(whole, k0, Math.min(k0 + kBlock, cols)), pairs = pairRows(part);
    const offsetOf = (place: number): number => (offsets ? offsets[k0 + part.colIdx[place]] : part.colIdx[place] * unit);
    starts.push(idx.length);
    valueStarts.push(values.length);
    for (let b = 0; b < blocks; b++) {
      const { shared, turns } = storedOf(part, pairs[2 * b], pairs[2 * b + 1]);
      order.push(pairs[2 * b], pairs[2 * b + 1]);
      ptr.push(shared.length / 2 + (turns.length / 2) * 65536);
      for (let i = 0; i < shared.length; i += 2) idx.push(offsetOf(Math.max(shared[i], shared[i + 1])));
      for (const place of turns) idx.push(offsetOf(place));
      for (const list of [shared, turns]) for (const place of list) values.push(place < 0 ? 0 : part.values[place]);
    }
  }
  return {
    ...name, rows, cols, layout, blockRows: 2, blocks, blockCols: 1,
    values: Float32Array.from(values), idx: (layout.indexBytes === 4 ? Uint32Array : Uint16Array).from(idx), ptr: Uint32Array.from(ptr),
    order: Uint32Array.from(order), starts, valueStarts, nnz: whole.values.length, stored: values.length,
  };
}

/** The matrix such a packing stands for. */
export function unpackPairs(packed: Packed): Matrix {
  const out = new Float32Array(packed.rows * packed.cols);
  eachOfPairs(packed, (row, k, place) => { out[row * packed.cols + k] = packed.values[place]; });
  return { rows: packed.rows, cols: packed.cols, values: out };
}

/** Calls `visit(row, column, place)` for every weight of such a packing but the zeros that fill it up: values[place]. */
export function eachOfPairs(packed: Packed, visit: (row: number, k: number, place: number) => void): void {
  const { layout, blocks, values, idx, ptr, order, starts, valueStarts } = packed, { unit, kBlock, offsets } = layout;
  starts.forEach((start, part) => {
    let at = valueStarts![part], i = start;
    const k0 = part * kBlock, found = offsets && new Map(Array.from(offsets.subarray(k0, k0 + kBlock), (offset, k) => [offset, k0 + k]));
    const column = (index: number): number => (found ? found.get(index)! : k0 + index / unit);
    const put = (row: number, index: number): void => {
      if (values[at] !== 0) visit(row, column(index), at);
      at++;
    };
    for (let b = 0; b < blocks; b++) {
      const pair = part * blocks + b, counts = ptr[pair], [first, second] = [order![2 * pair], order![2 * pair + 1]];
      for (let n = counts & 0xffff; n > 0; n--, i++) {
        put(first, idx[i]);
        put(second, idx[i]);
      }
      for (let n = counts >>> 16; n > 0; n--, i += 2) {
        put(first, idx[i]);
        put(second, idx[i + 1]);
      }
    }
  });
}
