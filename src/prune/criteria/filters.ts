import type { Context } from './criteria.ts';

/** Squared distances below this share of the squared norms are taken from the differences: of the products few digits would be left. */
const NEAR = 1e-6;

/**
 * Σⱼ ‖Fᵢ − Fⱼ‖₂ over all filters j of a layer, given to every weight of filter i: with granularity filter and reduction mean this is
 * the score of FPGM (He et al. 2019). ‖a − b‖² is ‖a‖² + ‖b‖² − 2·ab in 64 bits, and Σ(aₖ − bₖ)² where the two are near each other.
 */
export function distances(weights: Float32Array, { layer }: Context): Float64Array {
  const filters = layer.dims[0], size = weights.length / filters, sums = new Float64Array(filters), wide = Float64Array.from(weights);
  const squares = Float64Array.from({ length: filters }, (_, i) => squareOf(wide.subarray(i * size, (i + 1) * size)));
  for (let a = 0; a < filters; a += 2) {
    for (let b = a; b < filters; b += 4) {
      // Beyond the last filter the last is taken again, and what it gives is left out; so is what a pair gives twice.
      const at = (filter: number): number => Math.min(filter, filters - 1) * size;
      products(wide, size, [at(a), at(a + 1), at(b), at(b + 1), at(b + 2), at(b + 3)]).forEach((product, n) => {
        const i = a + (n >> 2), j = b + (n & 3);
        if (i >= j || j >= filters) return;
        const both = squares[i] + squares[j], square = both - 2 * product;
        const distance = Math.sqrt(square > NEAR * both ? square : differenceOf(wide, i * size, j * size, size));
        sums[i] += distance;
        sums[j] += distance;
      });
    }
  }
  const scores = new Float64Array(weights.length);
  for (let filter = 0; filter < filters; filter++) scores.fill(sums[filter], filter * size, (filter + 1) * size);
  return scores;
}

const squareOf = (row: Float64Array): number => row.reduce((sum, value) => sum + value * value, 0);

function differenceOf(w: Float64Array, a: number, b: number, size: number): number {
  let sum = 0;
  for (let k = 0; k < size; k++) sum += (w[a + k] - w[b + k]) ** 2;
  return sum;
}

/** Products of two rows that begin at a0 and a1 with four others: each number read is used two or four times. */
function products(w: Float64Array, size: number, [a0, a1, b0, b1, b2, b3]: readonly number[]): number[] {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  for (let k = 0; k < size; k++) {
    const x = w[a0 + k], y = w[a1 + k], c0 = w[b0 + k], c1 = w[b1 + k], c2 = w[b2 + k], c3 = w[b3 + k];
    s0 += x * c0;
    s1 += x * c1;
    s2 += x * c2;
    s3 += x * c3;
    t0 += y * c0;
    t1 += y * c1;
    t2 += y * c2;
    t3 += y * c3;
  }
  return [s0, s1, s2, s3, t0, t1, t2, t3];
}
