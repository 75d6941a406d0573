import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rowsOf } from './arrays.ts';
import type { SparsePeer } from './sparse-peer.ts';

/** ml-sparse-matrix: hash tables of single numbers, on both sides and in the product. */
export const mlSparseMatrix: SparsePeer = {
  name: 'ml-sparse-matrix',
  version: async () => {
    const file = new URL('../package.json', import.meta.resolve('ml-sparse-matrix'));
    return (JSON.parse(readFileSync(fileURLToPath(file), 'utf8')) as { version: string }).version;
  },
  load: async (a, b, n) => {
    const { SparseMatrix } = await import('ml-sparse-matrix');
    const left = new SparseMatrix(rowsOf(a.values, a.rows, a.cols), undefined), right = new SparseMatrix(rowsOf(b, a.cols, n), undefined);
    let product: InstanceType<typeof SparseMatrix> | undefined;
    const run = (): void => { product = left.mmul(right); };
    return {
      run,
      result: () => {
        if (!product) run();
        const values = new Float64Array(a.rows * n), { rows, columns, values: found } = product!.getNonZeros();
        for (let i = 0; i < found.length; i++) values[rows[i] * n + columns[i]] = found[i];
        return values;
      },
    };
  },
};
