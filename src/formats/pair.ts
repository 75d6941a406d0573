import type { Layout, Matrix, Packed } from './format.ts';
import { pairRows } from './pairing.ts';
import { columnsOf, type Rows } from './rows.ts';

// Unstructured weights for a kernel that computes two rows at once. For each block of K and each pair of rows: the columns
// that both have, then those of one alone, taken in turns, one of the first row and one of the second. Columns that find no
// turn count as shared, with a zero for the other row. Pairs are made of rows that share many columns, so that blocks
// of rows, and masks that nearly have such blocks, mostly read a column once for two multiplications.

/** Places of a pair of rows in `Rows`: of columns both have, [2 · shared]; of columns only the first or only the second has. */
interface Met {
  readonly shared: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
}

/** How many of each there are. */
interface Counts { shared: number; left: number; right: number }

/** Walks two rows side by side. A row paired with itself is alone. */
function meet({ rowPtr, colIdx }: Rows, [first, second]: readonly [number, number], { shared, left, right }: Met): Counts {
  const found = { shared: 0, left: 0, right: 0 };
  let i = rowPtr[first], j = rowPtr[second];
  const iEnd = rowPtr[first + 1], jEnd = first === second ? j : rowPtr[second + 1];
  while (i < iEnd || j < jEnd) {
    if (i < iEnd && j < jEnd && colIdx[i] === colIdx[j]) {
      shared[2 * found.shared] = i++;
      shared[2 * found.shared++ + 1] = j++;
    } else if (j === jEnd || (i < iEnd && colIdx[i] < colIdx[j])) left[found.left++] = i++;
    else right[found.right++] = j++;
  }
  return found;
}

/** What is stored, as it is filled. */
class Store {
  readonly values: Float32Array;
  readonly idx: Uint32Array;
  #value = 0;
  #index = 0;

  /** A weight takes an index at most, and beside itself a zero at most. */
  constructor(nnz: number) {
    this.values = new Float32Array(2 * nnz);
    this.idx = new Uint32Array(nnz);
  }

  get stored(): number { return this.#value; }
  get indices(): number { return this.#index; }

  value(value: number): void { this.values[this.#value++] = value; }
  index(index: number): void { this.idx[this.#index++] = index; }
}

/** Stores one pair: columns both rows have, then those that find no turn, with a zero for the other row, then the turns. */
function put(store: Store, part: Rows, offsetOf: (k: number) => number, { met, counts }: { met: Met; counts: Counts }): number {
  const { colIdx, values } = part, turns = Math.min(counts.left, counts.right);
  for (let i = 0; i < 2 * counts.shared; i += 2) {
    store.index(offsetOf(colIdx[met.shared[i]]));
    store.value(values[met.shared[i]]);
    store.value(values[met.shared[i + 1]]);
  }
  for (let i = turns; i < counts.left; i++) {
    store.index(offsetOf(colIdx[met.left[i]]));
    store.value(values[met.left[i]]);
    store.value(0);
  }
  for (let i = turns; i < counts.right; i++) {
    store.index(offsetOf(colIdx[met.right[i]]));
    store.value(0);
    store.value(values[met.right[i]]);
  }
  for (let i = 0; i < turns; i++) {
    for (const place of [met.left[i], met.right[i]]) {
      store.index(offsetOf(colIdx[place]));
      store.value(values[place]);
    }
  }
  return counts.shared + counts.left + counts.right - 2 * turns + turns * 65536;
}

/**
 * A matrix as pairs of rows, paired anew in each block of K. A layout may give the index of each k.
 */
export function packPairs(whole: Rows, layout: Layout, name: Pick<Packed, 'format' | 'block'>): Packed {
  const { rows, cols } = whole, { unit, kBlock, offsets } = layout, blocks = Math.ceil(rows / 2), parts = Math.ceil(cols / kBlock);
  const store = new Store(whole.values.length), ptr = new Uint32Array(parts * blocks), order = new Uint32Array(2 * parts * blocks);
  const starts: number[] = [], valueStarts: number[] = [], places = (): Int32Array => new Int32Array(Math.min(kBlock, cols));
  const met: Met = { shared: new Int32Array(2 * Math.min(kBlock, cols)), left: places(), right: places() };
  for (let p = 0; p < parts; p++) {
    const k0 = p * kBlock, part = columnsOf(whole, k0, Math.min(k0 + kBlock, cols)), pairs = pairRows(part);
    const offsetOf = offsets ? (k: number): number => offsets[k0 + k] : (k: number): number => k * unit;
    starts.push(store.indices);
    valueStarts.push(store.stored);
    order.set(pairs, 2 * p * blocks);
    for (let b = 0; b < blocks; b++) {
      const counts = meet(part, [pairs[2 * b], pairs[2 * b + 1]], met);
      ptr[p * blocks + b] = put(store, part, offsetOf, { met, counts });
    }
  }
  const { indices, stored } = store, idx = store.idx.subarray(0, indices);
  return {
    ...name, rows, cols, layout, blockRows: 2, blocks, blockCols: 1,
    values: store.values.slice(0, stored), idx: layout.indexBytes === 4 ? idx.slice() : Uint16Array.from(idx),
    ptr, order, starts, valueStarts, nnz: whole.values.length, stored,
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
