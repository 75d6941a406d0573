import { SpmvJob } from './job';
import { clamp, madd, sumsOf, zero } from './simd';

// y[rows] = clamp(A·x + bias + residual). Bound by the bytes of A: values and 16-bit offsets stream once. Four rows at a
// time where the format has them: a vector of x then serves four multiplications, and four streams of memory are read
// faster than two (4096×4096: 22 → 27 GB/s).

// @ts-ignore: decorator
@inline
function sumOf(x: v128): f32 {
  const pair = f32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.add(pair, v128.shuffle<i32>(pair, pair, 1, 0, 3, 2)), 0);
}

// @ts-ignore: decorator
@inline
function put(job: SpmvJob, row: u32, sum: f32): void {
  const y = job.y + (<usize>row << 2);
  if (job.bias) sum += load<f32>(job.bias + (<usize>row << 2));
  if (job.residual) sum += load<f32>(y + job.residual);
  store<f32>(y, sum < job.min ? job.min : sum > job.max ? job.max : sum);
}

/** Four rows, or the `valid` that are left: nothing beyond them is written. */
// @ts-ignore: decorator
@inline
function putEach(job: SpmvJob, row: u32, valid: u32, sums: v128): void {
  for (const end = row + min(valid, 4); row < end; ++row) {
    put(job, row, f32x4.extract_lane(sums, 0));
    sums = v128.shuffle<i32>(sums, sums, 1, 2, 3, 0);
  }
}

/** The same for blocks, which may hold so little that four rows one by one would be felt. */
// @ts-ignore: decorator
@inline
function putRows(job: SpmvJob, row: u32, valid: u32, sums: v128): void {
  if (valid < 4) return putEach(job, row, valid, sums);
  const y = job.y + (<usize>row << 2);
  if (job.bias) sums = f32x4.add(sums, v128.load(job.bias + (<usize>row << 2)));
  if (job.residual) sums = f32x4.add(sums, v128.load(y + job.residual));
  v128.store(y, clamp(sums, f32x4.splat(job.min), f32x4.splat(job.max)));
}

/** A is plain row-major values[rows][cols]. */
// @ts-ignore: decorator
@inline
export function dense(at: usize): void {
  const job = changetype<SpmvJob>(at);
  const cols = job.cols, whole = <usize>(cols & ~7) << 2, end = <usize>cols << 2, rows = job.rows, x = job.x;
  for (let row: u32 = 0; row < rows; row += 4) {
    const valid = rows - row, a = job.values + <usize>row * end;
    const b = valid > 1 ? a + end : a, c = valid > 2 ? b + end : a, d = valid > 3 ? c + end : a;
    let a0 = zero(), a1 = zero(), b0 = zero(), b1 = zero(), c0 = zero(), c1 = zero(), d0 = zero(), d1 = zero();
    let i: usize = 0;
    for (; i < whole; i += 32) {
      let v = v128.load(x + i);
      a0 = madd(v, v128.load(a + i), a0); b0 = madd(v, v128.load(b + i), b0);
      c0 = madd(v, v128.load(c + i), c0); d0 = madd(v, v128.load(d + i), d0);
      v = v128.load(x + i, 16);
      a1 = madd(v, v128.load(a + i, 16), a1); b1 = madd(v, v128.load(b + i, 16), b1);
      c1 = madd(v, v128.load(c + i, 16), c1); d1 = madd(v, v128.load(d + i, 16), d1);
    }
    let sums = sumsOf(f32x4.add(a0, a1), f32x4.add(b0, b1), f32x4.add(c0, c1), f32x4.add(d0, d1));
    for (; i < end; i += 4) {
      const v = v128.load_lane<f32>(c + i, v128.load_lane<f32>(b + i, v128.load32_zero(a + i), 1), 2);
      sums = madd(v128.load32_splat(x + i), v128.load_lane<f32>(d + i, v, 3), sums);
    }
    putEach(job, row, valid, sums);
  }
}

/** 2^-112 of the halves in the upper 16 bits of each lane: as an f32 it has the same bits three places lower. */
// @ts-ignore: decorator
@inline
function widen(w: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(w, 3), mask);
}

/** The power of two s for which x·2^s is as large as it may be: then no product with 2^-112 of a half is subnormal. */
// @ts-ignore: decorator
@inline
function headroom(x: usize, cols: u32): i32 {
  let most: u32 = 0;
  for (const end = x + (<usize>cols << 2); x < end; x += 4) most = max(most, load<u32>(x) << 1);
  return max(-15, min(126, 227 - <i32>(most >> 24)));
}

/** 2^s in each lane. */
// @ts-ignore: decorator
@inline
function power(s: i32): v128 {
  return i32x4.splat((s + 127) << 23);
}

/**
 * A is values[rows][cols] of 16-bit floats, eight columns at a time as 0 4 1 5 2 6 3 7, so that the odd ones are a vector
 * where they lie and the even ones after a shift. `idx` is the address of the mask of `widen`: V8 makes a vector constant
 * anew at each use, a loaded one stays in its register.
 */
// @ts-ignore: decorator
@inline
export function halves(at: usize): void {
  const job = changetype<SpmvJob>(at), mask = v128.load32_splat(job.idx);
  const s = headroom(job.x, job.cols), scale = power(s), back = power(112 - s);
  const cols = job.cols, whole = <usize>(cols & ~7) << 1, end = <usize>cols << 1, rows = job.rows;
  for (let row: u32 = 0; row < rows; row += 4) {
    const valid = rows - row, a = job.values + <usize>row * end;
    const b = valid > 1 ? a + end : a, c = valid > 2 ? b + end : a, d = valid > 3 ? c + end : a;
    let a0 = zero(), a1 = zero(), b0 = zero(), b1 = zero(), c0 = zero(), c1 = zero(), d0 = zero(), d1 = zero();
    let i: usize = 0, x = job.x;
    for (; i < whole; i += 16, x += 32) {
      const v = f32x4.mul(v128.load(x), scale), u = f32x4.mul(v128.load(x, 16), scale);
      let w: v128;
      w = v128.load(a + i);
      a1 = madd(u, widen(w, mask), a1); a0 = madd(v, widen(i32x4.shl(w, 16), mask), a0);
      w = v128.load(b + i);
      b1 = madd(u, widen(w, mask), b1); b0 = madd(v, widen(i32x4.shl(w, 16), mask), b0);
      w = v128.load(c + i);
      c1 = madd(u, widen(w, mask), c1); c0 = madd(v, widen(i32x4.shl(w, 16), mask), c0);
      w = v128.load(d + i);
      d1 = madd(u, widen(w, mask), d1); d0 = madd(v, widen(i32x4.shl(w, 16), mask), d0);
    }
    let sums = sumsOf(f32x4.add(a0, a1), f32x4.add(b0, b1), f32x4.add(c0, c1), f32x4.add(d0, d1));
    for (; i < end; i += 2, x += 4) {
      const v = v128.load_lane<u16>(c + i, v128.load_lane<u16>(b + i, v128.load_lane<u16>(a + i, zero(), 1), 3), 5);
      sums = madd(f32x4.mul(v128.load32_splat(x), scale), widen(v128.load_lane<u16>(d + i, v, 7), mask), sums);
    }
    putEach(job, row, valid, f32x4.mul(sums, back));
  }
}

/** One row at a time; four positions are gathered for each multiplication. */
// @ts-ignore: decorator
@inline
export function sparse(at: usize): void {
  const job = changetype<SpmvJob>(at);
  const rows = job.rows, x = job.x;
  let a = job.values, idx = job.idx, ptr = job.ptr;
  for (let row: u32 = 0; row < rows; ++row, ptr += 4) {
    let left: i32 = load<u32>(ptr, 4) - load<u32>(ptr);
    let s0 = zero(), s1 = zero();
    for (; left >= 8; left -= 8, a += 32, idx += 16) {
      s0 = madd(gather(x, idx), v128.load(a), s0);
      s1 = madd(gather(x, idx + 8), v128.load(a, 16), s1);
    }
    if (left >= 4) {
      s0 = madd(gather(x, idx), v128.load(a), s0);
      left -= 4; a += 16; idx += 8;
    }
    let sum = sumOf(f32x4.add(s0, s1));
    for (; left > 0; --left, a += 4, idx += 2) sum += load<f32>(a) * load<f32>(x + <usize>load<u16>(idx));
    put(job, row, sum);
  }
}

/** In two halves: a chain of four inserts is waited for longer. */
// @ts-ignore: decorator
@inline
function gather(x: usize, idx: usize): v128 {
  const low = v128.load_lane<f32>(x + <usize>load<u16>(idx, 2), v128.load32_zero(x + <usize>load<u16>(idx)), 1);
  const high = v128.load_lane<f32>(x + <usize>load<u16>(idx, 6), v128.load32_zero(x + <usize>load<u16>(idx, 4)), 1);
  return v128.shuffle<i32>(low, high, 0, 1, 4, 5);
}

/**
 * Blocks of four rows × `run` columns, four sums for the latency. Single columns: a splat of x for four multiplications.
 * Four: one vector of x serves the block, its splats are shuffles and cost no load.
 */
// @ts-ignore: decorator
@inline
export function rows4(at: usize): void {
  const job = changetype<SpmvJob>(at);
  const blockRows = job.blockRows, rows = job.rows, run = job.run, x = job.x;
  let a = job.values, idx = job.idx, ptr = job.ptr;
  for (let row: u32 = 0; row < rows; row += blockRows, ptr += 4) {
    let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    let left: i32 = load<u32>(ptr, 4) - load<u32>(ptr);
    if (run == 1) {
      for (; left >= 4; left -= 4, a += 64, idx += 8) {
        const low = load<u32>(idx), high = load<u32>(idx, 4);
        s0 = madd(v128.load32_splat(x + <usize>(low & 0xffff)), v128.load(a), s0);
        s1 = madd(v128.load32_splat(x + <usize>(low >> 16)), v128.load(a, 16), s1);
        s2 = madd(v128.load32_splat(x + <usize>(high & 0xffff)), v128.load(a, 32), s2);
        s3 = madd(v128.load32_splat(x + <usize>(high >> 16)), v128.load(a, 48), s3);
      }
    } else if (run == 4) {
      for (; left > 0; --left, idx += 2, a += 64) {
        const v = v128.load(x + <usize>load<u16>(idx));
        s0 = madd(v128.shuffle<i32>(v, v, 0, 0, 0, 0), v128.load(a), s0);
        s1 = madd(v128.shuffle<i32>(v, v, 1, 1, 1, 1), v128.load(a, 16), s1);
        s2 = madd(v128.shuffle<i32>(v, v, 2, 2, 2, 2), v128.load(a, 32), s2);
        s3 = madd(v128.shuffle<i32>(v, v, 3, 3, 3, 3), v128.load(a, 48), s3);
      }
    }
    for (; left > 0; --left, idx += 2) {
      const first = x + <usize>load<u16>(idx), end = first + (<usize>run << 2);
      for (let b = first; b < end; b += 4, a += 16) {
        const sum = s0;
        s0 = madd(v128.load32_splat(b), v128.load(a), s1);
        s1 = sum;
      }
    }
    putRows(job, row, min(blockRows, rows - row), f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  }
}
