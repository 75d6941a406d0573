import { SpmmJob } from './job';
import { finish } from './epilogue';
import { madd, zero } from './simd';

// The micro-kernel of unstructured weights. Rows of A go in pairs (src/formats/pair.ts): first the columns that both rows
// have, where a vector of B serves two multiplications, then the columns that only one has, taken in turns so that twelve
// sums are in flight. Every multiplication of the second kind costs a load, and loads are the limit there: hence four
// weights and up to four offsets are fetched at once.

/** How wide an offset into B is. */
@unmanaged
export abstract class Offset {}

/** 16 bits: a packed panel. */
@unmanaged @final
export class Near extends Offset {
  @inline one(idx: usize): usize { return <usize>load<u16>(idx); }
  @inline bytes(): usize { return 2; }
  /** The first two, and the next two, of four offsets at idx; `first` fetches all four. */
  @inline first(idx: usize): u64 { return load<u64>(idx); }
  @inline second(idx: usize, four: u64): u64 { return four >> 32; }
  @inline low(two: u64): usize { return <usize>two & 0xffff; }
  // The cast cuts off the other two.
  @inline high(two: u64): usize { return <usize>two >> 16; }
}

/** 32 bits: planes anywhere in memory. */
@unmanaged @final
export class Far extends Offset {
  @inline one(idx: usize): usize { return <usize>load<u32>(idx); }
  @inline bytes(): usize { return 4; }
  @inline first(idx: usize): u64 { return load<u64>(idx); }
  @inline second(idx: usize, four: u64): u64 { return load<u64>(idx, 8); }
  @inline low(two: u64): usize { return <usize>two; }
  @inline high(two: u64): usize { return <usize>(two >> 32); }
}

// @ts-ignore: decorator
@inline
function spread(w: v128, lane: i32): v128 {
  if (lane == 0) return v128.shuffle<i32>(w, w, 0, 0, 0, 0);
  if (lane == 1) return v128.shuffle<i32>(w, w, 1, 1, 1, 1);
  if (lane == 2) return v128.shuffle<i32>(w, w, 2, 2, 2, 2);
  return v128.shuffle<i32>(w, w, 3, 3, 3, 3);
}

/**
 * Two rows × 4V columns, V ≤ 6: twelve sums, two weights and a vector are the fifteen registers. ptr[blocks] counts the shared
 * columns in its low and the turns in its high half; values hold two weights for each of either, idx one offset for a
 * shared column and two for a turn. The second row is stored first: a last row without partner is its own second.
 */
// @ts-ignore: decorator
@inline
export function pair<I extends Offset>(at: usize, V: i32): void {
  const job = changetype<SpmmJob>(at), offset = changetype<I>(0);
  const panel = job.panel, cStride = job.cStride, residual = job.residual, bias = job.bias, base = job.c;
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), partial = job.partial;
  let a = job.values, idx = job.idx, ptr = job.ptr, order = job.order;
  for (let left = job.blocks; left > 0; --left) {
    const first = <usize>load<u32>(order), second = <usize>load<u32>(order, 4);
    const c = base + first * cStride, d = base + second * cStride;
    let x0 = zero(), y0 = x0;
    if (bias) { x0 = v128.load32_splat(bias + (first << 2)); y0 = v128.load32_splat(bias + (second << 2)); }
    let x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0, y1 = y0, y2 = y0, y3 = y0, y4 = y0, y5 = y0;
    if (partial) {
      x0 = v128.load(c); y0 = v128.load(d);
      if (V > 1) { x1 = v128.load(c, 16); y1 = v128.load(d, 16); }
      if (V > 2) { x2 = v128.load(c, 32); y2 = v128.load(d, 32); }
      if (V > 3) { x3 = v128.load(c, 48); y3 = v128.load(d, 48); }
      if (V > 4) { x4 = v128.load(c, 64); y4 = v128.load(d, 64); }
      if (V > 5) { x5 = v128.load(c, 80); y5 = v128.load(d, 80); }
    }
    for (let n = <u32>load<u16>(ptr); n > 0; --n) {
      const b = panel + offset.one(idx), u = v128.load32_splat(a), w = v128.load32_splat(a, 4);
      let p = v128.load(b);
      x0 = madd(p, u, x0); y0 = madd(p, w, y0);
      if (V > 1) { p = v128.load(b, 16); x1 = madd(p, u, x1); y1 = madd(p, w, y1); }
      if (V > 2) { p = v128.load(b, 32); x2 = madd(p, u, x2); y2 = madd(p, w, y2); }
      if (V > 3) { p = v128.load(b, 48); x3 = madd(p, u, x3); y3 = madd(p, w, y3); }
      if (V > 4) { p = v128.load(b, 64); x4 = madd(p, u, x4); y4 = madd(p, w, y4); }
      if (V > 5) { p = v128.load(b, 80); x5 = madd(p, u, x5); y5 = madd(p, w, y5); }
      a += 8;
      idx += offset.bytes();
    }
    for (let n = <u32>load<u16>(ptr, 2); n > 0; --n) {
      const w4 = v128.load(a), four = offset.first(idx);
      let b = panel + offset.low(four), w = spread(w4, 0);
      x0 = madd(v128.load(b), w, x0);
      if (V > 1) x1 = madd(v128.load(b, 16), w, x1);
      if (V > 2) x2 = madd(v128.load(b, 32), w, x2);
      if (V > 3) x3 = madd(v128.load(b, 48), w, x3);
      if (V > 4) x4 = madd(v128.load(b, 64), w, x4);
      if (V > 5) x5 = madd(v128.load(b, 80), w, x5);
      b = panel + offset.high(four); w = spread(w4, 1);
      y0 = madd(v128.load(b), w, y0);
      if (V > 1) y1 = madd(v128.load(b, 16), w, y1);
      if (V > 2) y2 = madd(v128.load(b, 32), w, y2);
      if (V > 3) y3 = madd(v128.load(b, 48), w, y3);
      if (V > 4) y4 = madd(v128.load(b, 64), w, y4);
      if (V > 5) y5 = madd(v128.load(b, 80), w, y5);
      // An exit in the middle allows odd counts, and keeps the optimiser from merging two uses of a sum.
      if (--n == 0) {
        a += 8;
        idx += offset.bytes() << 1;
        break;
      }
      const two = offset.second(idx, four);
      b = panel + offset.low(two); w = spread(w4, 2);
      x0 = madd(v128.load(b), w, x0);
      if (V > 1) x1 = madd(v128.load(b, 16), w, x1);
      if (V > 2) x2 = madd(v128.load(b, 32), w, x2);
      if (V > 3) x3 = madd(v128.load(b, 48), w, x3);
      if (V > 4) x4 = madd(v128.load(b, 64), w, x4);
      if (V > 5) x5 = madd(v128.load(b, 80), w, x5);
      b = panel + offset.high(two); w = spread(w4, 3);
      y0 = madd(v128.load(b), w, y0);
      if (V > 1) y1 = madd(v128.load(b, 16), w, y1);
      if (V > 2) y2 = madd(v128.load(b, 32), w, y2);
      if (V > 3) y3 = madd(v128.load(b, 48), w, y3);
      if (V > 4) y4 = madd(v128.load(b, 64), w, y4);
      if (V > 5) y5 = madd(v128.load(b, 80), w, y5);
      a += 16;
      idx += offset.bytes() << 2;
    }
    finish(d, y0, residual, lo, hi);
    if (V > 1) finish(d + 16, y1, residual, lo, hi);
    if (V > 2) finish(d + 32, y2, residual, lo, hi);
    if (V > 3) finish(d + 48, y3, residual, lo, hi);
    if (V > 4) finish(d + 64, y4, residual, lo, hi);
    if (V > 5) finish(d + 80, y5, residual, lo, hi);
    finish(c, x0, residual, lo, hi);
    if (V > 1) finish(c + 16, x1, residual, lo, hi);
    if (V > 2) finish(c + 32, x2, residual, lo, hi);
    if (V > 3) finish(c + 48, x3, residual, lo, hi);
    if (V > 4) finish(c + 64, x4, residual, lo, hi);
    if (V > 5) finish(c + 80, x5, residual, lo, hi);
    order += 8;
    ptr += 4;
  }
}
