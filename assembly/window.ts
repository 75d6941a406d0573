import { PadJob, WindowJob } from './job';
import { pad } from './pack';
import { finish } from './epilogue';
import { madd, zero } from './simd';

// A small window slid over padded planes, one plane at a time: depthwise convolution and pooling. Two output rows and up
// to sixteen pixels are held in registers while the taps go by. Rows may be written up to three floats too far; the
// next row overwrites them (buffers have that much room at their end).

/** How a tap is taken into the sum. */
@unmanaged
export abstract class Tap {}

@unmanaged @final
export class Weighted extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return bias ? v128.load32_splat(bias + channel) : zero(); }
  @inline weight(weights: usize): v128 { return v128.load32_splat(weights); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return madd(x, w, sum); }
  @inline weightBytes(): usize { return 4; }
}

@unmanaged @final
export class Largest extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return f32x4.splat(-Infinity); }
  @inline weight(weights: usize): v128 { return zero(); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return f32x4.max(sum, x); }
  @inline weightBytes(): usize { return 0; }
}

@unmanaged @final
export class Total extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return zero(); }
  @inline weight(weights: usize): v128 { return zero(); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return f32x4.add(sum, x); }
  @inline weightBytes(): usize { return 0; }
}

// @ts-ignore: decorator
@inline
function put(dst: usize, sum: v128, scale: usize, residual: usize, lo: v128, hi: v128): void {
  finish(dst, scale ? f32x4.mul(sum, v128.load(dst + scale)) : sum, residual, lo, hi);
}

/** Two rows of 4V pixels at s and t, written to d and e. `scale` is the distance from the output to its factors, or 0. */
// @ts-ignore: decorator
@inline
function strip<T extends Tap>(
  job: WindowJob, first: v128, weights: usize, s: usize, t: usize, d: usize, e: usize, scale: usize, V: i32,
): void {
  const policy = changetype<T>(0), lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), residual = job.residual;
  let x0 = first, x1 = first, x2 = first, x3 = first, y0 = first, y1 = first, y2 = first, y3 = first;
  let w = weights, offset = job.offsets;
  for (let tap = job.taps; tap > 0; --tap) {
    const o = <usize>load<u32>(offset), a = s + o, b = t + o, weight = policy.weight(w);
    x0 = policy.take(x0, v128.load(a), weight); y0 = policy.take(y0, v128.load(b), weight);
    if (V > 1) { x1 = policy.take(x1, v128.load(a, 16), weight); y1 = policy.take(y1, v128.load(b, 16), weight); }
    if (V > 2) { x2 = policy.take(x2, v128.load(a, 32), weight); y2 = policy.take(y2, v128.load(b, 32), weight); }
    if (V > 3) { x3 = policy.take(x3, v128.load(a, 48), weight); y3 = policy.take(y3, v128.load(b, 48), weight); }
    offset += 4;
    w += policy.weightBytes();
  }
  put(d, x0, scale, residual, lo, hi);
  if (V > 1) put(d + 16, x1, scale, residual, lo, hi);
  if (V > 2) put(d + 32, x2, scale, residual, lo, hi);
  if (V > 3) put(d + 48, x3, scale, residual, lo, hi);
  put(e, y0, scale, residual, lo, hi);
  if (V > 1) put(e + 16, y1, scale, residual, lo, hi);
  if (V > 2) put(e + 32, y2, scale, residual, lo, hi);
  if (V > 3) put(e + 48, y3, scale, residual, lo, hi);
}

/** The plane to slide over: padded into scratch memory, or as it is. */
// @ts-ignore: decorator
@inline
function planeAt(job: WindowJob, src: usize): usize {
  if (!job.padJob) return src;
  const padJob = changetype<PadJob>(job.padJob);
  padJob.src = src;
  pad(job.padJob);
  return padJob.dst;
}

/** dst[o][y][x] = Σ or max over taps of src[o / multiplier] at the tap's offset from (y, x). */
// @ts-ignore: decorator
@inline
export function slide<T extends Tap>(at: usize): void {
  const job = changetype<WindowJob>(at), policy = changetype<T>(0);
  const outHeight = job.outHeight, outWidth = job.outWidth, outRow = <usize>outWidth << 2, rowStep = job.rowStep;
  let weights = job.weights, d = job.dst, src = job.src, plane: usize = 0, scale = job.scale ? job.scale - d : 0;
  const outPlane = <usize>outHeight * outRow;
  for (let channel: u32 = 0, used = job.multiplier; channel < job.channels; ++channel) {
    if (used == job.multiplier) { used = 0; plane = planeAt(job, src); src += job.srcPlane; }
    ++used;
    const first = policy.first(job.bias, <usize>channel << 2);
    for (let y: u32 = 0; y < outHeight; y += 2) {
      const step: usize = y + 1 < outHeight ? 1 : 0;
      const row = plane + <usize>y * rowStep, out = d + <usize>y * outRow;
      // From right to left: what the rightmost strip of the upper row writes past its end, the leftmost of the lower overwrites.
      let x = (outRow + 12) / 64 * 64;
      const rest = x < outRow ? outRow - x : 0, narrow: usize = rest > 32 ? 32 : 0;
      if (narrow || (rest && rest <= 16)) {
        strip<T>(
          job, first, weights, row + x + narrow, row + step * rowStep + x + narrow,
          out + x + narrow, out + step * outRow + x + narrow, scale, 1,
        );
      }
      if (rest > 16) strip<T>(job, first, weights, row + x, row + step * rowStep + x, out + x, out + step * outRow + x, scale, 2);
      while (x) {
        x -= 64;
        strip<T>(job, first, weights, row + x, row + step * rowStep + x, out + x, out + step * outRow + x, scale, 4);
      }
    }
    d += outPlane;
    if (scale) scale -= outPlane;
    weights += <usize>job.taps * policy.weightBytes();
  }
}

/**
 * Depthwise 3x3 of stride 1. Eight pixels wide, it walks down the plane: each input row is loaded once and goes into the
 * three output rows it belongs to, x the one that it completes, y and z those below. Strips go from right to left,
 * so that what the rightmost writes past the end of a row is overwritten by the leftmost.
 */
export function slide3x3(at: usize): void {
  const job = changetype<WindowJob>(at);
  const outHeight = job.outHeight, outRow = <usize>job.outWidth << 2, rowStep = job.rowStep, residual = job.residual;
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), lastStrip = (outRow - 1) / 32 * 32;
  let w = job.weights, d = job.dst, src = job.src, plane: usize = 0;
  for (let channel: u32 = 0, used = job.multiplier; channel < job.channels; ++channel, w += 36) {
    if (used == job.multiplier) { used = 0; plane = planeAt(job, src); src += job.srcPlane; }
    ++used;
    const bias = job.bias ? v128.load32_splat(job.bias + (<usize>channel << 2)) : zero();
    for (let left = <isize>lastStrip; left >= 0; left -= 32) {
      let x0 = bias, x1 = bias, y0 = bias, y1 = bias;
      let row = plane + <usize>left, out = d + <usize>left - outRow * 2;
      for (let r: u32 = 0, rows = outHeight + 2; r < rows; ++r, row += rowStep, out += outRow) {
        let z0 = bias, z1 = bias;
        let a = v128.load(row), b = v128.load(row, 16), k = v128.load32_splat(w, 24);
        x0 = madd(a, k, x0); x1 = madd(b, k, x1); k = v128.load32_splat(w, 12);
        y0 = madd(a, k, y0); y1 = madd(b, k, y1); k = v128.load32_splat(w);
        z0 = madd(a, k, z0); z1 = madd(b, k, z1);
        a = v128.load(row, 4); b = v128.load(row, 20); k = v128.load32_splat(w, 28);
        x0 = madd(a, k, x0); x1 = madd(b, k, x1); k = v128.load32_splat(w, 16);
        y0 = madd(a, k, y0); y1 = madd(b, k, y1); k = v128.load32_splat(w, 4);
        z0 = madd(a, k, z0); z1 = madd(b, k, z1);
        a = v128.load(row, 8); b = v128.load(row, 24); k = v128.load32_splat(w, 32);
        x0 = madd(a, k, x0); x1 = madd(b, k, x1); k = v128.load32_splat(w, 20);
        y0 = madd(a, k, y0); y1 = madd(b, k, y1); k = v128.load32_splat(w, 8);
        z0 = madd(a, k, z0); z1 = madd(b, k, z1);
        if (r >= 2) {
          finish(out, x0, residual, lo, hi);
          finish(out + 16, x1, residual, lo, hi);
        }
        x0 = y0; x1 = y1;
        y0 = z0; y1 = z1;
      }
    }
    d += <usize>outHeight * outRow;
  }
}
