import type { Matrix as MathMatrix } from 'mathjs';
import { rowsOf } from './arrays.ts';
import type { SparsePeer } from './sparse-peer.ts';

/** math.js: compressed columns times a dense matrix, through its typed functions; the product is sparse. */
export const mathjs: SparsePeer = {
  name: 'mathjs',
  version: async () => (await import('mathjs')).version,
  load: async (a, b, n) => {
    const { matrix, multiply, sparse } = await import('mathjs');
    const left = sparse(rowsOf(a.values, a.rows, a.cols)), right = matrix(rowsOf(b, a.cols, n));
    let product: MathMatrix | undefined;
    const run = (): void => { product = multiply(left, right); };
    return {
      run,
      result: () => {
        if (!product) run();
        const values = new Float64Array(a.rows * n);
        product!.forEach((value: number, index: unknown) => {
          const [row, col] = index as [number, number];
          values[row * n + col] = value;
        }, true);
        return values;
      },
    };
  },
};
