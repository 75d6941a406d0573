import type { Context } from './criteria.ts';

/**
 * Σⱼ ‖Fᵢ − Fⱼ‖₂ over all filters j of a layer, given to every weight of filter i: with granularity filter and reduction mean this is
 * the score of FPGM (He et al. 2019). ‖a − b‖² is summed as it stands, not as ‖a‖² + ‖b‖² − 2ab, which cancels.
 */
export function distances(weights: Float32Array, { layer }: Context): Float64Array {
  const filters = layer.dims[0], size = weights.length / filters, sums = new Float64Array(filters), wide = Float64Array.from(weights);
  const rowOf = (filter: number): Float64Array => wide.subarray(filter * size, (filter + 1) * size);
  for (let a = 0; a < filters; a++) {
    // Beyond the last filter the last is taken again, and what it gives is left out.
    for (let b = a + 1; b < filters; b += 4) {
      const others = [b, b + 1, b + 2, b + 3].map((filter) => rowOf(Math.min(filter, filters - 1)));
      apart(rowOf(a), others).forEach((distance, i) => {
        if (b + i >= filters) return;
        sums[a] += distance;
        sums[b + i] += distance;
      });
    }
  }
  const scores = new Float64Array(weights.length);
  for (let filter = 0; filter < filters; filter++) scores.fill(sums[filter], filter * size, (filter + 1) * size);
  return scores;
}

/** Distances of `row` from four others at once: each of its numbers is read once, and no sum waits for itself. */
function apart(row: Float64Array, [b0, b1, b2, b3]: readonly Float64Array[]): number[] {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let k = 0; k < row.length; k++) {
    const w = row[k], d0 = w - b0[k], d1 = w - b1[k], d2 = w - b2[k], d3 = w - b3[k];
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  return [s0, s1, s2, s3].map(Math.sqrt);
}
