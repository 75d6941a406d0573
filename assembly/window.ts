import { PadJob, WindowJob } from './job';
import { pad } from './pack';
import { clamp, evens, largest4, madd, odds, shifted, storePart, zero } from './simd';

// A window of any shape slid over one plane after the other: depthwise convolution and pooling. Up to 32 pixels of a row are
// held in registers while the taps go by. Rows of taps above and below the image are left out; where the window
// reaches beyond it on the left or right, or skips pixels, the plane is copied to padded phases first.

/** How a tap is taken into the sum, and what is done with the sum. */
@unmanaged
export abstract class Tap {}

@unmanaged @final
export class Weighted extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return bias ? v128.load32_splat(bias + channel) : zero(); }
  @inline weight(weights: usize): v128 { return v128.load32_splat(weights); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return madd(x, w, sum); }
  @inline weightBytes(): usize { return 4; }
  @inline widest(): usize { return 128; }
  @inline end(job: WindowJob, dst: usize, sum: v128, scale: usize): v128 {
    if (job.residual) sum = f32x4.add(sum, v128.load(dst + job.residual));
    return clamp(sum, f32x4.splat(job.min), f32x4.splat(job.max));
  }
}

@unmanaged @final
export class Largest extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return f32x4.splat(-Infinity); }
  @inline weight(weights: usize): v128 { return zero(); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return largest4(sum, x); }
  @inline weightBytes(): usize { return 0; }
  @inline widest(): usize { return 64; }
  @inline end(job: WindowJob, dst: usize, sum: v128, scale: usize): v128 { return sum; }
}

@unmanaged @final
export class Total extends Tap {
  @inline first(bias: usize, channel: usize): v128 { return zero(); }
  @inline weight(weights: usize): v128 { return zero(); }
  @inline take(sum: v128, x: v128, w: v128): v128 { return f32x4.add(sum, x); }
  @inline weightBytes(): usize { return 0; }
  @inline widest(): usize { return 64; }
  @inline end(job: WindowJob, dst: usize, sum: v128, scale: usize): v128 { return f32x4.mul(sum, v128.load(dst + scale)); }
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

/** 4V pixels from s on, written to d. `scale` is the distance from the output to its factors. */
// @ts-ignore: decorator
@inline
function strip<T extends Tap>(
  job: WindowJob, first: v128, offset: usize, end: usize, w: usize, s: usize, d: usize, scale: usize, V: i32,
): void {
  const policy = changetype<T>(0);
  let x0 = first, x1 = first, x2 = first, x3 = first, x4 = first, x5 = first, x6 = first, x7 = first;
  for (; offset < end; offset += 4, w += policy.weightBytes()) {
    const a = s + <usize>load<u32>(offset), weight = policy.weight(w);
    x0 = policy.take(x0, v128.load(a), weight);
    if (V > 1) x1 = policy.take(x1, v128.load(a, 16), weight);
    if (V > 2) {
      x2 = policy.take(x2, v128.load(a, 32), weight);
      x3 = policy.take(x3, v128.load(a, 48), weight);
    }
    if (V > 4) {
      x4 = policy.take(x4, v128.load(a, 64), weight);
      x5 = policy.take(x5, v128.load(a, 80), weight);
      x6 = policy.take(x6, v128.load(a, 96), weight);
      x7 = policy.take(x7, v128.load(a, 112), weight);
    }
  }
  x0 = policy.end(job, d, x0, scale);
  if (V == 1 && job.outWidth < 4) return storePart(d, x0, job.outWidth);
  v128.store(d, x0);
  if (V > 1) v128.store(d, policy.end(job, d + 16, x1, scale), 16);
  if (V > 2) {
    v128.store(d, policy.end(job, d + 32, x2, scale), 32);
    v128.store(d, policy.end(job, d + 48, x3, scale), 48);
  }
  if (V > 4) {
    v128.store(d, policy.end(job, d + 64, x4, scale), 64);
    v128.store(d, policy.end(job, d + 80, x5, scale), 80);
    v128.store(d, policy.end(job, d + 96, x6, scale), 96);
    v128.store(d, policy.end(job, d + 112, x7, scale), 112);
  }
}

/** One output row in strips as wide as fit; the last lies over the one before, so that nothing is written past the row. */
function row<T extends Tap>(
  job: WindowJob, first: v128, offset: usize, end: usize, w: usize, s: usize, d: usize, scale: usize,
): void {
  const width = <usize>job.outWidth << 2, policy = changetype<T>(0);
  for (let x: usize = 0; x < width;) {
    const left = width - x;
    if (policy.widest() > 64 && left > 64 && width >= 128) {
      x = min(x, width - 128);
      strip<T>(job, first, offset, end, w, s + x, d + x, scale, 8);
      x += 128;
    } else if (left > 32 && width >= 64) {
      x = min(x, width - 64);
      strip<T>(job, first, offset, end, w, s + x, d + x, scale, 4);
      x += 64;
    } else if (left > 16 && width >= 32) {
      x = min(x, width - 32);
      strip<T>(job, first, offset, end, w, s + x, d + x, scale, 2);
      x += 32;
    } else {
      if (width >= 16) x = min(x, width - 16);
      strip<T>(job, first, offset, end, w, s + x, d + x, scale, 1);
      x += 16;
    }
  }
}

/** dst[o][y][x] = Σ or max over taps of src[o / multiplier] at the tap's offset from (y, x). */
// @ts-ignore: decorator
@inline
export function slide<T extends Tap>(at: usize): void {
  const job = changetype<WindowJob>(at), policy = changetype<T>(0);
  const outHeight = job.outHeight, outRow = <usize>job.outWidth << 2, height = <i32>job.height, across = job.kernelWidth;
  const dilation = <i32>job.dilationY, down = <i32>job.kernelHeight, outPlane = <usize>outHeight * outRow;
  let weights = job.weights, d = job.dst, src = job.src, plane: usize = 0, scale = job.scale - d;
  for (let channel: u32 = 0, used = job.multiplier; channel < job.channels; ++channel) {
    if (used == job.multiplier) { used = 0; plane = planeAt(job, src); src += job.srcPlane; }
    ++used;
    const first = policy.first(job.bias, <usize>channel << 2);
    for (let o: u32 = 0; o < outHeight; ++o, d += outRow) {
      // Taps from the first row on the image to the first below it.
      const y = <i32>(o * job.strideY - job.top);
      const from = y < 0 ? min(down, (dilation - 1 - y) / dilation) : 0;
      const to = max(from, min(down, (height - y + dilation - 1) / dilation)), before = <usize>from * across;
      row<T>(
        job, first, job.offsets + (before << 2), job.offsets + (<usize>to * across << 2), weights + before * policy.weightBytes(),
        plane + <usize>y * job.rowBytes, d, scale,
      );
    }
    scale -= outPlane;
    weights += <usize>down * across * policy.weightBytes();
  }
}

/**
 * Pooling with a horizontal stride of two and two or three columns, from planes as they are: rows of the window are folded
 * first, as whole vectors, then its columns. Four pixels of four or more, the last ones over those before.
 */
// @ts-ignore: decorator
@inline
export function halve<T extends Tap>(at: usize): void {
  const job = changetype<WindowJob>(at), policy = changetype<T>(0), none = policy.first(0, 0);
  const outRow = <usize>job.outWidth << 2, rowBytes = job.rowBytes, three = job.kernelWidth > 2;
  let src = job.src, d = job.dst, scale = job.scale - d;
  for (let channel: u32 = 0; channel < job.channels; ++channel, src += job.srcPlane) {
    for (let o: u32 = 0; o < job.outHeight; ++o, d += outRow) {
      const y = <i32>(o * job.strideY - job.top), from = max(y, 0), to = min(y + <i32>job.kernelHeight, <i32>job.height);
      const first = src + <usize>from * rowBytes - (<usize>job.left << 2), last = src + <usize>to * rowBytes - (<usize>job.left << 2);
      for (let next: usize = 0; next < outRow; next += 16) {
        const x = min(next, outRow - 16), masks = job.masks + x;
        let row = first + x * 2, u = v128.load(row), v = v128.load(row, 16), w = v128.load(row, 32);
        for (const end = last + x * 2; (row += rowBytes) < end;) {
          u = policy.take(u, v128.load(row), none); v = policy.take(v, v128.load(row, 16), none);
          if (three) w = policy.take(w, v128.load(row, 32), none);
        }
        const even = evens(u, v);
        let sum = policy.take(
          v128.bitselect(even, none, v128.load(masks)), v128.bitselect(odds(u, v), none, v128.load(masks + outRow)), none,
        );
        if (three) sum = policy.take(sum, v128.bitselect(shifted(even, w), none, v128.load(masks + outRow * 2)), none);
        v128.store(d + x, policy.end(job, d + x, sum, scale));
      }
    }
    scale -= outRow * job.outHeight;
  }
}
