import { expect } from '../expect.ts';
import { occupied, type Format } from './format.ts';

/** Block compressed sparse rows: rows × cols blocks that hold at least one nonzero. */
export const bsr: Format = {
  about: 'rows × cols blocks that hold a nonzero',
  indexed: true,
  block: { rows: 4, cols: 1 },
  check: (_matrix, block, where) => {
    expect([block.rows, block.cols].every((n) => Number.isInteger(n) && n > 0 && n <= 1024), {
      kind: 'argument', where, needs: 'a block of 1 to 1024 rows and columns', got: `${block.rows}x${block.cols}`,
    });
  },
  stored: (matrix, block, row, k0, k1, out) => {
    const first = row - (row % block.rows);
    let n = 0;
    for (let k = k0; k < k1; k += block.cols) if (occupied(matrix, first, block.rows, k, block.cols)) out[n++] = k;
    return n;
  },
};
