import { finish } from './epilogue';
import { CropJob, PackJob, PackRowsJob, PadJob, UnpackJob } from './job';

// Pixels → panels. Padding, stride, dilation and im2col happen here and only here.

/** P[k][j] = src[k·stride + (col + j)·4]: rows that are contiguous, as the planes of a 1x1 convolution. */
export function pack_rows(at: usize): void {
  const job = changetype<PackJob>(at);
  const width = <usize>job.width << 2, stride = job.stride, valid = <usize>job.valid << 2;
  let p = job.panel, src = job.src + <usize>job.k0 * stride + (<usize>job.col << 2);
  if (valid < width) return copySpans(p, src, stride, valid, width, job.k1 - job.k0);
  const rows = job.k1 - job.k0;
  if (width == 32) return copyRows(p, src, stride, rows, 2);
  if (width == 64) return copyRows(p, src, stride, rows, 4);
  if (width == 80) return copyRows(p, src, stride, rows, 5);
  copyRows(p, src, stride, rows, 6);
}

/** Rows of V vectors, without an inner loop. */
// @ts-ignore: decorator
@inline
function copyRows(p: usize, src: usize, stride: usize, rows: u32, V: i32): void {
  for (; rows > 0; --rows) {
    copyRow(p, src, V);
    p += <usize>V << 4;
    src += stride;
  }
}

// @ts-ignore: decorator
@inline
function copyRow(p: usize, src: usize, V: i32): void {
  v128.store(p, v128.load(src));
  if (V > 1) v128.store(p, v128.load(src, 16), 16);
  if (V > 2) v128.store(p, v128.load(src, 32), 32);
  if (V > 3) v128.store(p, v128.load(src, 48), 48);
  if (V > 4) v128.store(p, v128.load(src, 64), 64);
  if (V > 5) v128.store(p, v128.load(src, 80), 80);
  if (V > 6) v128.store(p, v128.load(src, 96), 96);
}

/** Fewer columns than a panel is wide: the rest is zero. */
function copySpans(p: usize, src: usize, stride: usize, valid: usize, width: usize, rows: u32): void {
  for (; rows > 0; --rows) {
    memory.copy(p, src, valid);
    memory.fill(p + valid, 0, width - valid);
    p += width;
    src += stride;
  }
}

/** P[k][j] = src[(col + j)·stride + k·4]: columns that are contiguous, as the rows of a batch. */
export function pack_columns(at: usize): void {
  const job = changetype<PackJob>(at);
  const width = job.width, stride = job.stride, valid = job.valid, rowBytes = <usize>width << 2;
  const k0 = job.k0, n = job.k1 - k0, whole = n & ~3;
  for (let j: u32 = 0; j < width; j += 4) {
    const p = job.panel + (<usize>j << 2), s0 = job.src + <usize>(job.col + j) * stride + (<usize>k0 << 2);
    const s1 = s0 + stride, s2 = s1 + stride, s3 = s2 + stride, full = j + 4 <= valid;
    let k: u32 = 0;
    if (full) {
      for (; k < whole; k += 4) transpose4(p + <usize>k * rowBytes, rowBytes, <usize>k << 2, s0, s1, s2, s3);
    }
    for (; k < n; ++k) {
      for (let i: u32 = 0; i < 4; ++i) {
        const value: f32 = j + i < valid ? load<f32>(s0 + <usize>i * stride + (<usize>k << 2)) : 0;
        store<f32>(p + <usize>k * rowBytes + (<usize>i << 2), value);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function transpose4(p: usize, rowBytes: usize, k: usize, s0: usize, s1: usize, s2: usize, s3: usize): void {
  const a = v128.load(s0 + k), b = v128.load(s1 + k), c = v128.load(s2 + k), d = v128.load(s3 + k);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7), cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(p, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(p + rowBytes, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(p + rowBytes * 2, v128.shuffle<i64>(abHigh, cdHigh, 0, 2));
  v128.store(p + rowBytes * 3, v128.shuffle<i64>(abHigh, cdHigh, 1, 3));
}

/**
 * im2col from padded phase planes: P[k][j] = plane at offsets[k] + place of pixel col + j. A panel crosses output rows,
 * so each k is copied in spans of one output row; a span may write up to three floats too many, which the next
 * span, or the next k, overwrites (the panel has that much room at its end).
 */
export function pack_taps(at: usize): void {
  const job = changetype<PackJob>(at);
  const outWidth = job.outWidth, rowStep = job.rowStep, width = <usize>job.width << 2, valid = job.valid;
  const firstRow = job.col / outWidth, firstX = job.col % outWidth;
  const start = job.src + <usize>firstRow * rowStep + (<usize>firstX << 2);
  let p = job.panel;
  if (valid == job.width && firstX + valid <= outWidth) {
    return oneSpan(p, start, job.offsets + (<usize>job.k0 << 2), width, job.k1 - job.k0);
  }
  const second = firstX + valid - outWidth;
  if (valid == job.width && second <= outWidth) {
    const from = rowStep - (<usize>firstX << 2), left = <usize>(outWidth - firstX) << 2;
    return twoSpans(p, start, job.offsets + (<usize>job.k0 << 2), width, job.k1 - job.k0, left, from);
  }
  for (let k = job.k0, end = job.k1; k < end; ++k) {
    let src = start + <usize>load<u32>(job.offsets + (<usize>k << 2)), left = valid, span = min(left, outWidth - firstX), q = p;
    let back = <usize>firstX << 2;
    while (true) {
      const stop = q + (<usize>span << 2);
      let s = src;
      for (; q < stop; q += 16, s += 16) v128.store(q, v128.load(s));
      q = stop;
      left -= span;
      if (!left) break;
      src += rowStep - back;
      back = 0;
      span = min(left, outWidth);
    }
    for (const stop = p + width; q < stop; q += 4) store<f32>(q, 0);
    p += width;
  }
}

/** One element of the epilogue. */
// @ts-ignore: decorator
@inline
function put(dst: usize, sum: f32, residual: usize, lo: f32, hi: f32): void {
  if (residual) sum += load<f32>(dst + residual);
  store<f32>(dst, sum < lo ? lo : sum > hi ? hi : sum);
}

/** A panel within one output row: whole vectors and nothing else. */
function oneSpan(p: usize, start: usize, offsets: usize, width: usize, rows: u32): void {
  if (width == 32) return gatherRows(p, start, offsets, rows, 2);
  if (width == 96) return gatherRows(p, start, offsets, rows, 6);
  if (width == 112) return gatherRows(p, start, offsets, rows, 7);
  for (; rows > 0; --rows, offsets += 4) {
    let src = start + <usize>load<u32>(offsets);
    for (const stop = p + width; p < stop; p += 16, src += 16) v128.store(p, v128.load(src));
  }
}

// @ts-ignore: decorator
@inline
function gatherRows(p: usize, start: usize, offsets: usize, rows: u32, V: i32): void {
  for (; rows > 0; --rows, offsets += 4, p += <usize>V << 4) copyRow(p, start + <usize>load<u32>(offsets), V);
}

/** A panel of two output rows: `left` bytes of the first, the rest of the second, which starts `from` bytes after the panel's start. */
function twoSpans(p: usize, start: usize, offsets: usize, width: usize, rows: u32, left: usize, from: usize): void {
  for (const stop = offsets + (<usize>rows << 2); offsets < stop; offsets += 4) {
    const src = start + <usize>load<u32>(offsets), end = p + width, second = p + left;
    for (let q = p, s = src; q < second; q += 16, s += 16) v128.store(q, v128.load(s));
    for (let q = second, s = src + from; q < end; q += 16, s += 16) v128.store(q, v128.load(s));
    p = end;
  }
}

/** dst = clamp(src + residual): a scratch tile to its place, row by row or transposed. */
export function unpack(at: usize): void {
  const job = changetype<UnpackJob>(at);
  if (job.rowStride == 4) return unpackColumns(job);
  const valid = job.valid, colStride = job.colStride, residual = job.residual, lo = job.min, hi = job.max;
  for (let row: u32 = 0; row < job.rows; ++row) {
    const src = job.src + <usize>row * job.srcStride;
    let dst = job.dst + <usize>row * job.rowStride + <usize>job.col * colStride;
    for (let j: u32 = 0; j < valid; ++j, dst += colStride) {
      put(dst, load<f32>(src + (<usize>j << 2)), residual, lo, hi);
    }
  }
}

/** Rows of a few pixels element by element; else in vectors, the last of which ends with the row. */
export function crop(at: usize): void {
  const job = changetype<CropJob>(at), residual = job.residual, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max);
  const width = <usize>job.width << 2;
  let d = job.dst, plane = job.src;
  for (let row = job.rows; row > 0; --row, plane += job.srcPlane) {
    let s = plane;
    for (let y = job.height; y > 0; --y, s += job.pitch, d += width) {
      if (width < 16) {
        for (let x: usize = 0; x < width; x += 4) put(d + x, load<f32>(s + x), residual, job.min, job.max);
        continue;
      }
      for (let x: usize = 0; x < width - 16; x += 16) finish(d + x, v128.load(s + x), residual, lo, hi);
      finish(d + width - 16, v128.load(s + width - 16), residual, lo, hi);
    }
  }
}

/** Columns become rows: blocks of four by four through the registers, so that memory is written along the destination's rows. */
function unpackColumns(job: UnpackJob): void {
  const valid = job.valid, rows = job.rows, srcStride = job.srcStride, colStride = job.colStride, residual = job.residual;
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), whole = rows & ~3;
  for (let j: u32 = 0; j < valid; j += 4) {
    const src = job.src + (<usize>j << 2), dst = job.dst + <usize>(job.col + j) * colStride, cols = min(4, valid - j);
    for (let row: u32 = 0; row < whole; row += 4) {
      const s = src + <usize>row * srcStride, d = dst + (<usize>row << 2);
      const a = v128.load(s), b = v128.load(s + srcStride), c = v128.load(s + srcStride * 2), e = v128.load(s + srcStride * 3);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ce = v128.shuffle<i32>(c, e, 0, 4, 1, 5);
      const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7), ceHigh = v128.shuffle<i32>(c, e, 2, 6, 3, 7);
      finish(d, v128.shuffle<i64>(ab, ce, 0, 2), residual, lo, hi);
      if (cols > 1) finish(d + colStride, v128.shuffle<i64>(ab, ce, 1, 3), residual, lo, hi);
      if (cols > 2) finish(d + colStride * 2, v128.shuffle<i64>(abHigh, ceHigh, 0, 2), residual, lo, hi);
      if (cols > 3) finish(d + colStride * 3, v128.shuffle<i64>(abHigh, ceHigh, 1, 3), residual, lo, hi);
    }
    for (let row = whole; row < rows; ++row) {
      for (let i: u32 = 0; i < cols; ++i) {
        put(
          dst + <usize>i * colStride + (<usize>row << 2), load<f32>(src + <usize>row * srcStride + (<usize>i << 2)),
          residual, job.min, job.max,
        );
      }
    }
  }
}

/** dst[row][phase][i] = src[row − top][i·phases + phase − left] inside the image, `value` outside. */
export function pad(at: usize): void {
  const job = changetype<PadJob>(at);
  const height = job.height, width = job.width, phases = job.phases, phaseWidth = job.phaseWidth, value = job.value;
  const fill = f32x4.splat(value), rowBytes = <usize>(phases * phaseWidth) << 2;
  let dst = job.dst, src = job.src;
  for (let c: u32 = 0; c < job.channels; ++c) {
    for (let row: u32 = 0; row < job.rows; ++row, dst += rowBytes) {
      const y = row - job.top;
      if (y >= height) {
        for (let i: usize = 0; i < rowBytes; i += 16) v128.store(dst + i, fill);
      } else if (phases == 1) {
        padRow(dst, src + (<usize>(y * width) << 2), job.left, width, phaseWidth, fill);
      } else if (phases == 2) {
        padRow2(dst, src + (<usize>(y * width) << 2), job.left, width, phaseWidth, value);
      } else {
        for (let phase: u32 = 0, d = dst; phase < phases; ++phase) {
          for (let i: u32 = 0, x = phase - job.left; i < phaseWidth; ++i, x += phases, d += 4) {
            store<f32>(d, x < width ? load<f32>(src + (<usize>(y * width + x) << 2)) : value);
          }
        }
      }
    }
    src += <usize>(height * width) << 2;
  }
}

/** Overshooting copies: left fill, the row, right fill, each in whole vectors and in this order. */
// @ts-ignore: decorator
@inline
function padRow(dst: usize, src: usize, left: u32, width: u32, total: u32, fill: v128): void {
  const inner = dst + (<usize>left << 2), stop = inner + (<usize>width << 2), end = dst + (<usize>total << 2);
  for (let d = dst; d < inner; d += 16) v128.store(d, fill);
  let s = src;
  for (let d = inner; d < stop; d += 16, s += 16) v128.store(d, v128.load(s));
  for (let d = stop; d < end; d += 16) v128.store(d, fill);
}

/** Stride 2: even and odd columns of the padded row side by side, eight pixels a step where they are all inside. */
// @ts-ignore: decorator
@inline
function padRow2(dst: usize, src: usize, left: u32, width: u32, phaseWidth: u32, value: f32): void {
  const odd = dst + (<usize>phaseWidth << 2);
  let i: u32 = 0;
  for (; i < phaseWidth && (i << 1) < left; ++i) padPair(dst, odd, src, i, left, width, value);
  for (; (i << 1) - left + 8 <= width && i + 4 <= phaseWidth; i += 4) {
    const s = src + (<usize>((i << 1) - left) << 2), a = v128.load(s), b = v128.load(s, 16);
    v128.store(dst + (<usize>i << 2), v128.shuffle<i32>(a, b, 0, 2, 4, 6));
    v128.store(odd + (<usize>i << 2), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
  }
  for (; i < phaseWidth; ++i) padPair(dst, odd, src, i, left, width, value);
}

// @ts-ignore: decorator
@inline
function padPair(even: usize, odd: usize, src: usize, i: u32, left: u32, width: u32, value: f32): void {
  const x = (i << 1) - left, at = <usize>i << 2;
  store<f32>(even + at, x < width ? load<f32>(src + (<usize>x << 2)) : value);
  store<f32>(odd + at, x + 1 < width ? load<f32>(src + (<usize>(x + 1) << 2)) : value);
}

/** A made at run time: dst[row / R][k][row % R], zero in the rows that are missing from the last block. */
export function pack_a(at: usize): void {
  const job = changetype<PackRowsJob>(at);
  const R = job.blockRows, rows = job.rows, depth = job.depth, rowStride = job.rowStride, colStride = job.colStride;
  let dst = job.dst;
  for (let first: u32 = 0; first < rows; first += R) {
    for (let k: u32 = 0; k < depth; ++k) {
      const src = job.src + <usize>k * colStride + <usize>first * rowStride;
      for (let r: u32 = 0; r < R; ++r, dst += 4) {
        store<f32>(dst, first + r < rows ? load<f32>(src + <usize>r * rowStride) : 0);
      }
    }
  }
}

