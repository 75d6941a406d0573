import { flush, type Format } from './format.ts';

/** Compressed sparse rows: each nonzero with its column. */
export const csr: Format = {
  about: 'each nonzero with its column',
  indexed: true,
  block: { rows: 1, cols: 1 },
  stored: (matrix, _block, row, k0, k1, out) => {
    let n = 0;
    for (let k = k0, at = row * matrix.cols + k0; k < k1; k++, at++) if (flush(matrix.values[at]) !== 0) out[n++] = k;
    return n;
  },
};
