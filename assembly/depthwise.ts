import { WindowJob } from './job';
import { clamp, evens, madd, odds, shifted, zero } from './simd';

// Depthwise convolution with a window of 3x3 or 5x5, straight from planes as they are. A column of four pixels walks down
// the plane: each input row is loaded once and goes into all output rows it belongs to, whose sums stay in registers.
// What lies left and right of the image is replaced by zeros, rows above and below are left out. The last column lies
// over the one before, so that nothing is written past a row.

// @ts-ignore: decorator
@inline
function masked(x: v128, mask: usize): v128 { return v128.and(x, v128.load(mask)); }

/** What stands in for a bias that is absent, and for pixels beside the image. */
const ZERO = memory.data<f32>([0]);

/**
 * Columns [from, to) of a plane, stride 1, at most one pixel of padding. Each input row ends the sums u of an output row, goes on
 * with those of the next, v, and begins another. Products of a row are summed before they join the older sums: chains of additions
 * stay short.
 */
// @ts-ignore: decorator
@inline
function columns3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: usize, to: usize, edge: bool): void {
  const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4), w2 = v128.load32_splat(weights, 8);
  const w3 = v128.load32_splat(weights, 12), w4 = v128.load32_splat(weights, 16), w5 = v128.load32_splat(weights, 20);
  const w6 = v128.load32_splat(weights, 24), w7 = v128.load32_splat(weights, 28), w8 = v128.load32_splat(weights, 32);
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), rowBytes = job.rowBytes, left = <usize>job.left << 2;
  const outRow = <usize>job.outWidth << 2, outPlane = outRow * job.outHeight, early = 2 - job.top;
  const rows = min(job.height, job.outHeight + early);
  for (let next = from; next < to; next += 16) {
    const at = min(next, outRow - 16), first = left > at, last = at + 20 - left >= rowBytes;
    let row = src + at - left, out = dst + at, u = v128.load32_splat(bias), v = u, above = early;
    for (let rest = rows; rest > 0; --rest, row += rowBytes) {
      const b = v128.load(row, 4);
      let a = b, c = b;
      if (edge && first) a = v128.shuffle<i32>(zero(), b, 3, 4, 5, 6);
      else a = v128.load(row);
      if (edge && last) c = shifted(b, zero());
      else c = v128.load(row, 8);
      if (above) --above;
      else { v128.store(out, clamp(f32x4.add(u, madd(c, w8, madd(b, w7, f32x4.mul(a, w6)))), lo, hi)); out += outRow; }
      u = f32x4.add(v, madd(c, w5, madd(b, w4, f32x4.mul(a, w3))));
      v = madd(c, w2, madd(b, w1, madd(a, w0, v128.load32_splat(bias))));
    }
    if (out < dst + outPlane) v128.store(out, clamp(u, lo, hi));
  }
}

function inner3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: usize, to: usize): void {
  columns3x3(job, src, dst, weights, bias, from, to, false);
}

function edge3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: usize, to: usize): void {
  columns3x3(job, src, dst, weights, bias, from, to, true);
}

/**
 * The same with strides 2: the even and the odd ones of eight pixels are two taps of a row, the first tap is the odd ones moved by a pixel;
 * the one that comes in is read apart, or is a zero. An output row ends with the input row that begins the next.
 */
function columns3x3by2(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize): void {
  const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4), w2 = v128.load32_splat(weights, 8);
  const w3 = v128.load32_splat(weights, 12), w4 = v128.load32_splat(weights, 16), w5 = v128.load32_splat(weights, 20);
  const w6 = v128.load32_splat(weights, 24), w7 = v128.load32_splat(weights, 28), w8 = v128.load32_splat(weights, 32);
  const outRow = <usize>job.outWidth << 2, outPlane = outRow * job.outHeight, rowBytes = job.rowBytes, left = <usize>job.left << 2;
  const top = job.top, pairs = job.height + top - 1 >> 1, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  for (let next: usize = 0; next < outRow; next += 16) {
    const at = min(next, outRow - 16), mask = v128.load(job.masks + outRow * 2 + at);
    let row = src + at * 2 - left + 4, side = row - 4, step = rowBytes, out = dst + at, x = v128.load32_splat(bias);
    if (left > at) { side = ZERO; step = 0; }
    const stop = out + outRow * pairs, end = out + outPlane;
    let p: v128, q: v128, a: v128, b: v128, c: v128;
    if (!top) {
      p = v128.load(row); q = v128.load(row, 16); c = v128.and(odds(p, q), mask); b = evens(p, q);
      a = v128.shuffle<i32>(v128.load32_splat(side), c, 3, 4, 5, 6);
      x = madd(a, w0, madd(c, w2, madd(b, w1, x))); row += rowBytes; side += step;
    }
    for (; out < stop; out += outRow) {
      p = v128.load(row); q = v128.load(row, 16); c = v128.and(odds(p, q), mask); b = evens(p, q);
      a = v128.shuffle<i32>(v128.load32_splat(side), c, 3, 4, 5, 6); row += rowBytes; side += step;
      x = f32x4.add(x, madd(a, w3, madd(c, w5, f32x4.mul(b, w4))));
      p = v128.load(row); q = v128.load(row, 16); c = v128.and(odds(p, q), mask); b = evens(p, q);
      a = v128.shuffle<i32>(v128.load32_splat(side), c, 3, 4, 5, 6); row += rowBytes; side += step;
      v128.store(out, clamp(f32x4.add(x, madd(a, w6, madd(c, w8, f32x4.mul(b, w7)))), lo, hi));
      x = madd(a, w0, madd(c, w2, madd(b, w1, v128.load32_splat(bias))));
    }
    if (out >= end) continue;
    if ((pairs << 1) + 1 - top < job.height) {
      p = v128.load(row); q = v128.load(row, 16); c = v128.and(odds(p, q), mask); b = evens(p, q);
      a = v128.shuffle<i32>(v128.load32_splat(side), c, 3, 4, 5, 6);
      x = madd(a, w3, madd(c, w5, madd(b, w4, x)));
    }
    v128.store(out, clamp(x, lo, hi));
  }
}

/**
 * A window of five by five, stride 1, over two columns: the sums of five output rows, the uppermost first.
 * Each weight lies in memory four times: to load it is one instruction, to load and repeat it two.
 */
function columns5x5(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, at: u32): void {
  const next = min(at + 4, job.outWidth - 4), gap = <usize>(next - at) << 2, b = v128.load32_splat(bias);
  const rowBytes = job.rowBytes, outRow = <usize>job.outWidth << 2, early: u32 = 4 - job.top, rows = min(job.height, job.outHeight + early);
  const masks = job.masks + (<usize>at << 2), lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  let row = src + (<usize>at - <usize>job.left << 2), out = dst + (<usize>at << 2);
  const end = out + <usize>job.outHeight * outRow;
  let r0 = b, r1 = b, r2 = b, r3 = b, s0 = b, s1 = b, s2 = b, s3 = b;
  for (let r: u32 = 0; r < rows; ++r, row += rowBytes) {
    let r4 = b, s4 = b, mask = masks;
    for (let w = weights, tap = row, stop = w + 80; w < stop; w += 16, tap += 4, mask += outRow) {
      const x = masked(v128.load(tap), mask), y = masked(v128.load(tap + gap), mask + gap);
      let v = v128.load(w, 320);
      r0 = madd(x, v, r0); s0 = madd(y, v, s0); v = v128.load(w, 240);
      r1 = madd(x, v, r1); s1 = madd(y, v, s1); v = v128.load(w, 160);
      r2 = madd(x, v, r2); s2 = madd(y, v, s2); v = v128.load(w, 80);
      r3 = madd(x, v, r3); s3 = madd(y, v, s3); v = v128.load(w);
      r4 = madd(x, v, r4); s4 = madd(y, v, s4);
    }
    if (r >= early) { v128.store(out, clamp(r0, lo, hi)); v128.store(out + gap, clamp(s0, lo, hi)); out += outRow; }
    r0 = r1; r1 = r2; r2 = r3; r3 = r4;
    s0 = s1; s1 = s2; s2 = s3; s3 = s4;
  }
  for (; out < end; out += outRow) {
    v128.store(out, clamp(r0, lo, hi)); v128.store(out + gap, clamp(s0, lo, hi));
    r0 = r1; r1 = r2; r2 = r3; r3 = b;
    s0 = s1; s1 = s2; s2 = s3; s3 = b;
  }
}

/** All channels: the work on one plane is a policy. */
// @ts-ignore: decorator
@inline
export function columns<C extends Columns>(at: usize): void {
  const job = changetype<WindowJob>(at), policy = changetype<C>(0), outPlane = <usize>(job.outHeight * job.outWidth) << 2;
  let src = job.src, dst = job.dst, weights = job.weights, bias = job.bias ? job.bias : ZERO;
  for (let channel: u32 = 0, used: u32 = 0; channel < job.channels; ++channel) {
    if (used == job.multiplier) { used = 0; src += job.srcPlane; }
    ++used;
    policy.plane(job, src, dst, weights, bias);
    dst += outPlane;
    weights += policy.weightBytes();
    if (job.bias) bias += 4;
  }
}

@unmanaged
abstract class Columns {}

@unmanaged @final
class Of3x3 extends Columns {
  @inline weightBytes(): usize { return 36; }
  /** Between the first column and the last none reaches beyond the image; of few columns all are taken at once. */
  @inline plane(job: WindowJob, src: usize, dst: usize, w: usize, bias: usize): void {
    const width = <usize>job.outWidth << 2, last = width - 1 & ~15;
    if (width <= 64) return edge3x3(job, src, dst, w, bias, 0, width);
    edge3x3(job, src, dst, w, bias, 0, 16);
    inner3x3(job, src, dst, w, bias, 16, last);
    edge3x3(job, src, dst, w, bias, last, width);
  }
}

@unmanaged @final
class Of3x3by2 extends Columns {
  @inline weightBytes(): usize { return 36; }
  @inline plane(job: WindowJob, src: usize, dst: usize, w: usize, bias: usize): void { columns3x3by2(job, src, dst, w, bias); }
}

@unmanaged @final
class Of5x5 extends Columns {
  @inline weightBytes(): usize { return 400; }
  @inline plane(job: WindowJob, src: usize, dst: usize, w: usize, bias: usize): void {
    for (let x: u32 = 0; x < job.outWidth; x += 8) columns5x5(job, src, dst, w, bias, min(x, job.outWidth - 4));
  }
}

export function slide3x3(at: usize): void { columns<Of3x3>(at); }
export function slide3x3by2(at: usize): void { columns<Of3x3by2>(at); }
export function slide5x5(at: usize): void { columns<Of5x5>(at); }
