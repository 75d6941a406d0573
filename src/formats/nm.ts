import { expect } from '../expect.ts';
import { flush, type Format, type Matrix } from './format.ts';

/** N kept of every M consecutive columns, the same number in every row; missing ones are stored as zeros. */
export const nm: Format = {
  about: 'N kept of every M columns',
  indexed: true,
  block: { rows: 1, cols: 1, keep: 2, of: 4 },
  check: (matrix, block, where) => {
    const { keep = 0, of = 0 } = block;
    expect(Number.isInteger(keep) && Number.isInteger(of) && keep > 0 && keep <= of, {
      kind: 'argument', where, needs: '0 < keep ≤ of', got: `${keep}:${of}`,
    });
    expect(matrix.cols % of === 0, {
      kind: 'shape', where, needs: `columns in ${of}s for ${keep}:${of}`, got: `${matrix.cols}`, remedy: 'leave this layer dense',
    });
  },
  stored: (matrix, block, row, k0, k1, out) => {
    const { keep = 0, of = 0 } = block;
    let n = 0;
    for (let window = k0; window < k1; window += of) {
      takeWindow(matrix, row, window, keep, of, out, n);
      n += keep;
    }
    return n;
  },
};

/** The nonzero columns of one window, filled up with its first zeros to exactly `keep`, to out[n…]. */
function takeWindow(matrix: Matrix, row: number, window: number, keep: number, of: number, out: Uint32Array, n: number): void {
  const base = row * matrix.cols + window;
  let nonzero = 0;
  for (let i = 0; i < of; i++) if (flush(matrix.values[base + i]) !== 0) nonzero++;
  expect(nonzero <= keep, {
    kind: 'argument',
    where: `${keep}:${of} row ${row}, columns ${window} to ${window + of - 1}`,
    needs: `at most ${keep} nonzeros`, got: `${nonzero}`,
    remedy: 'prune with the scope { keep, of }, or pack as csr',
  });
  for (let i = 0, spare = keep - nonzero; i < of; i++) {
    if (flush(matrix.values[base + i]) !== 0 || spare-- > 0) out[n++] = window + i;
  }
}
