// Four f32 lanes: the few operations every kernel is written in. All of it compiles to single instructions.

/** a·b + c, fused where the binary may use relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** min(max(x, lo), hi); a NaN in x stays a NaN, as in the reference. */
// @ts-ignore: decorator
@inline
export function clamp(x: v128, lo: v128, hi: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, lo), hi);
}

/** The larger; a sum that is NaN stays, an x that is NaN sets all bits: three instructions where f32x4.max takes eight. */
// @ts-ignore: decorator
@inline
export function largest4(sum: v128, x: v128): v128 { return v128.or(f32x4.pmax(sum, x), f32x4.ne(x, x)); }

/** The first n < 4 lanes. */
// @ts-ignore: decorator
@inline
export function storePart(d: usize, x: v128, n: u32): void {
  if (n & 2) v128.store64_lane(d, x, 0);
  if (n == 1) v128.store32_lane(d, x, 0);
  if (n == 3) v128.store32_lane(d, x, 2, 8);
}

// @ts-ignore: decorator
@inline
export function zero(): v128 {
  return f32x4.splat(0);
}

/** Of eight lanes the even ones, the odd ones; of five lanes the last four. */
// @ts-ignore: decorator
@inline
export function evens(p: v128, q: v128): v128 { return v128.shuffle<i32>(p, q, 0, 2, 4, 6); }
// @ts-ignore: decorator
@inline
export function odds(p: v128, q: v128): v128 { return v128.shuffle<i32>(p, q, 1, 3, 5, 7); }
// @ts-ignore: decorator
@inline
export function shifted(p: v128, q: v128): v128 { return v128.shuffle<i32>(p, q, 1, 2, 3, 4); }

/** Two vectors lane by lane in turns, stored at d. */
// @ts-ignore: decorator
@inline
export function zip(d: usize, p: v128, q: v128): void {
  v128.store(d, v128.shuffle<i32>(p, q, 0, 4, 1, 5));
  v128.store(d, v128.shuffle<i32>(p, q, 2, 6, 3, 7), 16);
}

/** The sums of four vectors as one. */
// @ts-ignore: decorator
@inline
export function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 1, 4, 5), v128.shuffle<i32>(c, d, 2, 3, 6, 7));
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
}
