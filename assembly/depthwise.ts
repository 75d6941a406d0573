import { WindowJob } from './job';
import { clamp, evens, madd, odds, shifted } from './simd';

// Depthwise convolution with a window of 3x3 or 5x5, straight from planes as they are. A column of four pixels walks down
// the plane: each input row is loaded once and goes into all output rows it belongs to, whose sums stay in registers.
// What lies left and right of the image is masked away, rows above and below are left out. The last column lies
// over the one before, so that nothing is written past a row.

// @ts-ignore: decorator
@inline
function masked(x: v128, mask: usize): v128 { return v128.and(x, v128.load(mask)); }

/** Four pixels that a tap reads, zero where they lie outside. */
// @ts-ignore: decorator
@inline
function tap(at: usize, mask: usize, edge: bool): v128 { return edge ? masked(v128.load(at), mask) : v128.load(at); }

/** What stands in for a bias that is absent. */
const ZERO = memory.data<f32>([0]);

/**
 * Four pixels at a time of all output rows, stride 1. Each input row ends the upper of two sums, goes on with the lower
 * one and begins the next. Products of a row are summed before they join the older sums: chains of additions stay short.
 */
// @ts-ignore: decorator
@inline
function columns3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: u32, to: u32, edge: bool): void {
  const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4), w2 = v128.load32_splat(weights, 8);
  const w3 = v128.load32_splat(weights, 12), w4 = v128.load32_splat(weights, 16), w5 = v128.load32_splat(weights, 20);
  const w6 = v128.load32_splat(weights, 24), w7 = v128.load32_splat(weights, 28), w8 = v128.load32_splat(weights, 32);
  const outRow = <usize>job.outWidth << 2, rowBytes = job.rowBytes, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  for (let next = from; next < to; next += 4) {
    const at = min(next, job.outWidth - 4), left = job.masks + (<usize>at << 2), right = left + outRow * 2;
    let row = src + (<usize>at - <usize>job.left << 2), out = dst + (<usize>at << 2), ending = job.height + job.top - 2;
    const rest = job.outHeight > ending;
    let x = v128.load32_splat(bias), y = x, a: v128, b: v128, c: v128;
    if (!job.top) {
      a = tap(row, left, edge); b = v128.load(row, 4); c = tap(row + 8, right, edge); row += rowBytes;
      y = madd(c, w2, madd(b, w1, madd(a, w0, y)));
    }
    a = tap(row, left, edge); b = v128.load(row, 4); c = tap(row + 8, right, edge); row += rowBytes;
    y = f32x4.add(y, madd(c, w5, madd(b, w4, f32x4.mul(a, w3))));
    x = madd(c, w2, madd(b, w1, madd(a, w0, x)));
    for (; ending > 0; ending -= 2) {
      a = tap(row, left, edge); b = v128.load(row, 4); c = tap(row + 8, right, edge); row += rowBytes;
      v128.store(out, clamp(f32x4.add(y, madd(c, w8, madd(b, w7, f32x4.mul(a, w6)))), lo, hi)); out += outRow;
      x = f32x4.add(x, madd(c, w5, madd(b, w4, f32x4.mul(a, w3))));
      y = madd(c, w2, madd(b, w1, madd(a, w0, v128.load32_splat(bias))));
      if (ending == 1) { y = x; break; }
      a = tap(row, left, edge); b = v128.load(row, 4); c = tap(row + 8, right, edge); row += rowBytes;
      v128.store(out, clamp(f32x4.add(x, madd(c, w8, madd(b, w7, f32x4.mul(a, w6)))), lo, hi)); out += outRow;
      y = f32x4.add(y, madd(c, w5, madd(b, w4, f32x4.mul(a, w3))));
      x = madd(c, w2, madd(b, w1, madd(a, w0, v128.load32_splat(bias))));
      if (ending == 2) { break; }
    }
    if (rest) v128.store(out, clamp(y, lo, hi));
  }
}

function inner3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: u32, to: u32): void {
  columns3x3(job, src, dst, weights, bias, from, to, false);
}

function edge3x3(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize, from: u32, to: u32): void {
  columns3x3(job, src, dst, weights, bias, from, to, true);
}

/** The same with strides 2: of eight pixels and one more, every other. An output row ends with the input row that begins the next. */
function columns3x3by2(job: WindowJob, src: usize, dst: usize, weights: usize, bias: usize): void {
  const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4), w2 = v128.load32_splat(weights, 8);
  const w3 = v128.load32_splat(weights, 12), w4 = v128.load32_splat(weights, 16), w5 = v128.load32_splat(weights, 20);
  const w6 = v128.load32_splat(weights, 24), w7 = v128.load32_splat(weights, 28), w8 = v128.load32_splat(weights, 32);
  const outRow = <usize>job.outWidth << 2, rowBytes = job.rowBytes, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  const top = job.top, pairs = job.height + top - 1 >> 1;
  for (let next: u32 = 0; next < job.outWidth; next += 4) {
    const at = min(next, job.outWidth - 4), left = job.masks + (<usize>at << 2), right = left + outRow * 2;
    let row = src + (<usize>at * 2 - <usize>job.left << 2), out = dst + (<usize>at << 2), x = v128.load32_splat(bias);
    const stop = out + <usize>pairs * outRow, end = out + <usize>job.outHeight * outRow;
    let p: v128, q: v128, a: v128, b: v128, c: v128;
    if (!top) {
      p = v128.load(row); q = v128.load(row, 16); a = masked(evens(p, q), left); b = odds(p, q);
      c = masked(shifted(a, v128.load(row, 32)), right);
      x = madd(c, w2, madd(b, w1, madd(a, w0, x))); row += rowBytes;
    }
    for (; out < stop; out += outRow) {
      p = v128.load(row); q = v128.load(row, 16); a = masked(evens(p, q), left); b = odds(p, q);
      c = masked(shifted(a, v128.load(row, 32)), right); row += rowBytes;
      x = f32x4.add(x, madd(c, w5, madd(b, w4, f32x4.mul(a, w3))));
      p = v128.load(row); q = v128.load(row, 16); a = masked(evens(p, q), left); b = odds(p, q);
      c = masked(shifted(a, v128.load(row, 32)), right); row += rowBytes;
      v128.store(out, clamp(f32x4.add(x, madd(c, w8, madd(b, w7, f32x4.mul(a, w6)))), lo, hi));
      x = madd(c, w2, madd(b, w1, madd(a, w0, v128.load32_splat(bias))));
    }
    if (out >= end) continue;
    if ((pairs << 1) + 1 - top < job.height) {
      p = v128.load(row); q = v128.load(row, 16); a = masked(evens(p, q), left); b = odds(p, q);
      c = masked(shifted(a, v128.load(row, 32)), right);
      x = madd(c, w5, madd(b, w4, madd(a, w3, x)));
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
  /** Only columns that reach beyond the image, on the left and on the right, are masked. */
  @inline plane(job: WindowJob, src: usize, dst: usize, w: usize, bias: usize): void {
    const first = min(job.left + 3 & ~3, job.outWidth), last = max(first, <u32>(job.rowBytes >> 2) + job.left - 2 & ~3);
    if (first) edge3x3(job, src, dst, w, bias, 0, first);
    if (first < last) inner3x3(job, src, dst, w, bias, first, last);
    if (last < job.outWidth) edge3x3(job, src, dst, w, bias, last, job.outWidth);
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
