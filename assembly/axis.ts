import { AxisJob, CopyJob, ResizeJob, ScatterJob } from './job';
import { exponentials, FIRST, Softmax } from './pointwise';
import { clamp, evens, largest4, madd, storePart, zero, zip } from './simd';

// Reductions, softmax, copies, resizing and the scatter of a transposed convolution.

// @ts-ignore: decorator
@inline
function lanes(x: v128, largest: bool): f32 {
  const a = f32x4.extract_lane(x, 0), b = f32x4.extract_lane(x, 1), c = f32x4.extract_lane(x, 2), d = f32x4.extract_lane(x, 3);
  return largest ? max(max(a, b), max(c, d)) : a + b + (c + d);
}

/** Σ or max of n contiguous floats. */
// @ts-ignore: decorator
@inline
function fold(x: usize, n: u32, largest: bool): f32 {
  const start: f32 = largest ? -Infinity : 0;
  let s0 = f32x4.splat(start), s1 = s0;
  let left = n;
  for (; left >= 8; left -= 8, x += 32) {
    s0 = largest ? largest4(s0, v128.load(x)) : f32x4.add(s0, v128.load(x));
    s1 = largest ? largest4(s1, v128.load(x, 16)) : f32x4.add(s1, v128.load(x, 16));
  }
  let sum = lanes(largest ? largest4(s0, s1) : f32x4.add(s0, s1), largest);
  for (; left > 0; --left, x += 4) sum = largest ? max(sum, load<f32>(x)) : sum + load<f32>(x);
  return sum;
}

/** y[outer][inner] = scale · (Σ or max over the middle of x[outer][length][inner]). */
// @ts-ignore: decorator
@inline
export function reduce(at: usize, largest: bool): void {
  const job = changetype<AxisJob>(at);
  const length = job.length, inner = job.inner, innerBytes = <usize>inner << 2, scale = job.scale;
  let x = job.x, y = job.y;
  for (let o: u32 = 0; o < job.outer; ++o) {
    if (inner == 1) {
      store<f32>(y, fold(x, length, largest) * scale);
      y += 4;
    } else {
      const factor = f32x4.splat(scale);
      for (let i: usize = 0; i < innerBytes; i += 16) {
        let sum = v128.load(x + i), at = x + i;
        for (let l: u32 = 1; l < length; ++l) {
          at += innerBytes;
          sum = largest ? largest4(sum, v128.load(at)) : f32x4.add(sum, v128.load(at));
        }
        v128.store(y + i, f32x4.mul(sum, factor));
      }
      y += innerBytes;
    }
    x += <usize>length * innerBytes;
  }
}

/** Softmax over the middle axis: e^(x − max) / Σ, of a row or four columns at a time. What is written too much is overwritten later. */
export function softmax(at: usize): void {
  const job = changetype<AxisJob>(at), step = <usize>job.inner << 2, bytes = <usize>job.length * step;
  let x = job.x, y = job.y;
  for (let o: u32 = 0; o < job.outer; ++o, x += bytes, y += bytes) {
    if (step == 4) softmaxLines(x, y, bytes, 4);
    else for (let next: usize = 0; next < step; next += 16) {
      const i = step < 16 ? 0 : <usize>min(next, step - 16);
      softmaxLines(x + i, y + i, bytes, step);
    }
  }
}

/** The largest of contiguous numbers, in all lanes. A NaN may be passed over: softmax of its row is NaN anyway. */
// @ts-ignore: decorator
@inline
function topOfRow(x: usize, bytes: usize): v128 {
  const none = f32x4.splat(-Infinity), mask = FIRST + 32 - min(bytes, 32);
  let top = v128.bitselect(v128.load(x), none, v128.load(mask)), other = v128.bitselect(v128.load(x, 16), none, v128.load(mask, 16));
  for (let next: usize = 32; next < bytes; next += 32) {
    const i = x + min(next, bytes - 32);
    top = f32x4.pmax(top, v128.load(i)); other = f32x4.pmax(other, v128.load(i, 16));
  }
  top = f32x4.pmax(top, other);
  top = f32x4.pmax(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
  return f32x4.pmax(top, v128.shuffle<i32>(top, top, 1, 0, 3, 2));
}

/** One row (a step of 4), or four columns whose numbers lie `step` bytes apart. */
function softmaxLines(x: usize, y: usize, bytes: usize, step: usize): void {
  let top: v128;
  if (step == 4) top = topOfRow(x, bytes);
  else {
    top = v128.load(x);
    for (let i = step; i < bytes; i += step) top = f32x4.pmax(top, v128.load(x + i));
  }
  const stride: usize = step == 4 ? 16 : step;
  let sum = exponentials<Softmax>(x, y, bytes, top, stride);
  if (step == 4) {
    sum = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
    sum = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 1, 0, 3, 2));
  }
  const factor = f32x4.div(f32x4.splat(1), sum);
  if (stride < 16) for (let i: usize = 0; i < bytes; i += stride) storePart(y + i, f32x4.mul(v128.load(y + i), factor), <u32>(stride >> 2));
  else for (let i: usize = 0; i < bytes; i += stride) v128.store(y + i, f32x4.mul(v128.load(y + i), factor));
}

/** Six nested dimensions of 32-bit elements, rows of contiguous ones as whole vectors (never past the row's end). */
export function copy(at: usize): void {
  const job = changetype<CopyJob>(at);
  const turned = job.s4 == 4 && job.d5 == 4 && job.n4 >= 4 && (job.n5 >= 4 || job.n5 == 2 && job.d4 == 8);
  for (let i0: u32 = 0; i0 < job.n0; ++i0) {
    for (let i1: u32 = 0; i1 < job.n1; ++i1) {
      for (let i2: u32 = 0; i2 < job.n2; ++i2) {
        let s = job.src + <usize>i0 * job.s0 + <usize>i1 * job.s1 + <usize>i2 * job.s2;
        let d = job.dst + <usize>i0 * job.d0 + <usize>i1 * job.d1 + <usize>i2 * job.d2;
        for (let i3: u32 = 0; i3 < job.n3; ++i3, s += job.s3, d += job.d3) {
          if (turned) { transpose(s, d, job); continue; }
          let s4 = s, d4 = d;
          for (let i4: u32 = 0; i4 < job.n4; ++i4, s4 += job.s4, d4 += job.d4) copyRow(s4, d4, job.n5, job.s5, job.d5);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function copyRow(s: usize, d: usize, n: u32, sStep: usize, dStep: usize): void {
  if (sStep == 4 && dStep == 4) {
    for (; n >= 4; n -= 4, s += 16, d += 16) v128.store(d, v128.load(s));
  } else if (sStep == 8 && dStep == 4) {
    for (; n >= 4; n -= 4, s += 32, d += 16) v128.store(d, evens(v128.load(s), v128.load(s, 16)));
  }
  for (; n > 0; --n, s += sStep, d += dStep) store<u32>(d, load<u32>(s));
}

/** Rows that lie side by side in dst, two (as pixels of twice as wide an image) or four or more; four or more elements of each. */
function transpose(s: usize, d: usize, job: CopyJob): void {
  const across = job.n5, sStep = job.s5, dStep = job.d4, last = job.n4 - 4;
  for (let row: u32 = 0; row < across; row += 4) {
    const first = <usize>(across < 4 ? 0 : min(row, across - 4)), from = s + first * sStep, to = d + (first << 2);
    for (let next: u32 = 0; next < job.n4; next += 4) {
      const i = <usize>min(next, last), at = from + (i << 2), out = to + i * dStep, a = v128.load(at), b = v128.load(at + sStep);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      if (across == 2) { v128.store(out, ab); v128.store(out, AB, 16); continue; }
      const c = v128.load(at + 2 * sStep), e = v128.load(at + 3 * sStep);
      const ce = v128.shuffle<i32>(c, e, 0, 4, 1, 5), CE = v128.shuffle<i32>(c, e, 2, 6, 3, 7);
      v128.store(out, v128.shuffle<i64>(ab, ce, 0, 2));
      v128.store(out + dStep, v128.shuffle<i64>(ab, ce, 1, 3));
      v128.store(out + 2 * dStep, v128.shuffle<i64>(AB, CE, 0, 2));
      v128.store(out + 3 * dStep, v128.shuffle<i64>(AB, CE, 1, 3));
    }
  }
}

/**
 * Separable interpolation: two input rows become one in scratch memory, then two of its columns one pixel. An output row of the same two
 * rows and weight as the one before is a copy of it.
 */
export function resize(at: usize): void {
  const job = changetype<ResizeJob>(at);
  const between = job.between, width = <usize>job.width << 2, cols = <usize>job.outWidth << 2, rows = <usize>job.outHeight << 2;
  const colLow = job.colLow, colHigh = job.colHigh, colWeight = job.colWeight, rowLow = job.rowLow, rowHigh = job.rowHigh;
  let y = job.y, plane = job.x;
  for (let c: u32 = 0; c < job.planes; ++c, plane += job.plane) {
    if (job.doubles) {
      for (let x: usize = 0; x < width; x += 16) doubled(job, plane, y, min(x, width - 16));
      y += rows * cols >> 2;
      continue;
    }
    for (let row: usize = 0; row < rows; row += 4, y += cols) {
      const low = load<u32>(rowLow + row), high = load<u32>(rowHigh + row), weight = load<u32>(job.rowWeight + row);
      const before = row - 4, same = row && low == load<u32>(rowLow + before) && high == load<u32>(rowHigh + before);
      if (same && weight == load<u32>(job.rowWeight + before)) {
        memory.copy(y, y - cols, cols);
        continue;
      }
      const wy = i32x4.splat(weight);
      for (let i: usize = 0; i < width; i += 16) {
        const a = v128.load(plane + low + i);
        v128.store(between + i, madd(wy, f32x4.sub(v128.load(plane + high + i), a), a));
      }
      for (let col: usize = 0; col < cols; col += 4) {
        const left = load<f32>(between + <usize>load<u32>(colLow + col));
        store<f32>(y + col, left + load<f32>(colWeight + col) * (load<f32>(between + <usize>load<u32>(colHigh + col)) - left));
      }
    }
  }
}

/**
 * Twice as many rows and columns: eight columns of all output rows from four of the input, `at` bytes from its left. Each input row is
 * widened once; the ends are repeated beyond them.
 */
function doubled(job: ResizeJob, x: usize, y: usize, at: usize): void {
  const even = f32x4.splat(job.even), odd = f32x4.splat(job.odd), width = <usize>job.width << 2, outRow = width * 2;
  let row = x + at, out = y + at * 2, p = zero(), q = p;
  for (let rest = job.outHeight >> 1, first = rest; rest > 0; --rest, row += width, out += outRow * 2) {
    const c = v128.load(row);
    let left = c, right = c;
    if (at) left = v128.load(row - 4);
    else left = v128.shuffle<i32>(c, c, 0, 0, 1, 2);
    if (at + 16 < width) right = v128.load(row, 4);
    else right = v128.shuffle<i32>(c, c, 1, 2, 3, 3);
    left = madd(even, f32x4.sub(left, c), c);
    right = madd(odd, f32x4.sub(right, c), c);
    const u = v128.shuffle<i32>(left, right, 0, 4, 1, 5), v = v128.shuffle<i32>(left, right, 2, 6, 3, 7);
    if (rest == first) { v128.store(out, u); v128.store(out, v, 16); }
    else {
      const du = f32x4.sub(u, p), dv = f32x4.sub(v, q);
      v128.store(out - outRow, madd(odd, du, p)); v128.store(out - outRow, madd(odd, dv, q), 16);
      v128.store(out, f32x4.sub(u, f32x4.mul(even, du))); v128.store(out, f32x4.sub(v, f32x4.mul(even, dv)), 16);
    }
    p = u; q = v;
  }
  v128.store(out - outRow, p); v128.store(out - outRow, q, 16);
}

/** Strides as long as the window, two columns wide: each output is one column entry. Width four or more. */
function interleave(job: ScatterJob): void {
  const width = <usize>job.width << 2, plane = width * job.height, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  let column = job.columns, bias = job.bias;
  for (let c: u32 = 0; c < job.channels; ++c, column += plane * 2 * job.kernelHeight) {
    const b = bias ? v128.load32_splat(bias) : zero(), y = job.y + width * 2 * job.outHeight * c;
    if (bias) bias += 4;
    for (let row: usize = 0; row < job.outHeight; ++row) {
      const s = column + row % job.kernelHeight * plane * 2 + row / job.kernelHeight * width, d = y + row * width * 2;
      for (let next: usize = 0; next < width; next += 16) {
        const i = min(next, width - 16);
        zip(d + i * 2, clamp(f32x4.add(v128.load(s + i), b), lo, hi), clamp(f32x4.add(v128.load(s + plane + i), b), lo, hi));
      }
    }
  }
}

/** col2im: every column entry is added where its tap falls; then bias and clamp. */
export function scatter(at: usize): void {
  const job = changetype<ScatterJob>(at);
  const tiles = job.strideX == 2 && job.kernelWidth == 2 && job.strideY == job.kernelHeight
    && job.dilationX == 1 && job.dilationY == 1 && !job.top && !job.left;
  if (tiles && job.width >= 4 && job.outWidth == job.width * 2 && job.outHeight == job.height * job.strideY) return interleave(job);
  const outHeight = job.outHeight, outWidth = job.outWidth, outPlane = outHeight * outWidth;
  let column = job.columns;
  for (let c: u32 = 0; c < job.channels; ++c) {
    const y = job.y + (<usize>(c * outPlane) << 2);
    const bias: f32 = job.bias ? load<f32>(job.bias + (<usize>c << 2)) : 0;
    for (let i: u32 = 0; i < outPlane; ++i) store<f32>(y + (<usize>i << 2), bias);
    for (let kh: u32 = 0; kh < job.kernelHeight; ++kh) {
      for (let kw: u32 = 0; kw < job.kernelWidth; ++kw) {
        scatterTap(job, column, y, kh * job.dilationY - job.top, kw * job.dilationX - job.left);
        column += <usize>(job.height * job.width) << 2;
      }
    }
    for (let i: u32 = 0; i < outPlane; ++i) {
      const at = y + (<usize>i << 2), sum = load<f32>(at);
      store<f32>(at, sum < job.min ? job.min : sum > job.max ? job.max : sum);
    }
  }
}

// @ts-ignore: decorator
@inline
function scatterTap(job: ScatterJob, column: usize, y: usize, dy: u32, dx: u32): void {
  for (let h: u32 = 0; h < job.height; ++h) {
    const oy = h * job.strideY + dy;
    if (oy < job.outHeight) {
      for (let w: u32 = 0, ox = dx, s = column; w < job.width; ++w, ox += job.strideX, s += 4) {
        if (ox < job.outWidth) {
          const at = y + (<usize>(oy * job.outWidth + ox) << 2);
          store<f32>(at, load<f32>(at) + load<f32>(s));
        }
      }
    }
    column += <usize>job.width << 2;
  }
}
