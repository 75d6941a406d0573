import { clamp } from './simd';

// What happens between accumulator and memory.

/** The value an accumulator starts from: the partial sum of earlier blocks of K, or the row's bias. */
// @ts-ignore: decorator
@inline
export function start(c: usize, bias: v128, partial: bool): v128 {
  return partial ? v128.load(c) : bias;
}

/** c[0..3] = clamp(sum + residual, lo, hi). `residual` is the distance in bytes from c to its residual, 0 for none. */
// @ts-ignore: decorator
@inline
export function finish(c: usize, sum: v128, residual: usize, lo: v128, hi: v128): void {
  if (residual) sum = f32x4.add(sum, v128.load(c + residual));
  v128.store(c, clamp(sum, lo, hi));
}
