import { expect, fail } from '../expect.ts';
import { numbersOf, sameShape, type Tensor } from '../tensor.ts';

/** An element x of an output whose largest magnitude is m may differ by absolute + relative·m. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/**
 * The largest difference between two sets of outputs. The bound is relative to the largest value of an output, not to each element:
 * sums taken in another order differ by rounding of the terms, however small the sum itself is.
 * @throws BurinError `device` where they disagree: a wrong kernel has no speed.
 */
export function maxAbsErrorOf(want: Readonly<Record<string, Tensor>>, got: Readonly<Record<string, Tensor>>, tolerance: Tolerance): number {
  let worst = 0;
  for (const [name, tensor] of Object.entries(want)) {
    const other = got[name]
      ?? fail({ kind: 'device', where: `output '${name}'`, needs: 'the same outputs of both editions', got: 'none from the sparse one' });
    worst = Math.max(worst, errorOf(name, tensor, other, tolerance));
  }
  return worst;
}

function errorOf(name: string, want: Tensor, got: Tensor, tolerance: Tolerance): number {
  const where = `output '${name}' [${want.dims}]`;
  expect(sameShape(want.dims, got.dims), {
    kind: 'device', where, needs: 'the same shape from both editions', got: `[${got.dims}] from the sparse one`,
  });
  const [a, b] = [numbersOf(want), numbersOf(got)];
  let largest = 0;
  let error = 0;
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]));
    error = Math.max(error, Math.abs(a[i] - b[i]));
  }
  expect(Number.isFinite(largest), {
    kind: 'model', where, needs: 'finite values to compare', got: `${largest} from the dense edition`, remedy: 'give other inputs',
  });
  const bound = tolerance.absolute + tolerance.relative * largest;
  expect(error <= bound, {
    kind: 'device', where,
    needs: `dense and sparse kernels to agree within ${bound.toPrecision(3)}`,
    got: `a difference of ${error.toPrecision(3)}`,
    remedy: 'nothing was timed: a wrong kernel has no speed',
  });
  return error;
}
