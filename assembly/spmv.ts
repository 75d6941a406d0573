import { SpmvJob } from './job';
import { Pattern } from './pattern';
import { madd, zero } from './simd';

// y[rows] = clamp(A·x + bias + residual). Bound by the bytes of A: values and 16-bit offsets stream once.

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
  sum += job.partial ? load<f32>(y) : job.bias ? load<f32>(job.bias + (<usize>row << 2)) : 0;
  if (job.residual) sum += load<f32>(y + job.residual);
  store<f32>(y, sum < job.min ? job.min : sum > job.max ? job.max : sum);
}

/** A is plain row-major values[rows][cols]: two rows at a time, eight sums. */
// @ts-ignore: decorator
@inline
export function dense(at: usize): void {
  const job = changetype<SpmvJob>(at);
  const cols = job.cols, whole = <usize>(cols & ~15) << 2, end = <usize>cols << 2, rows = job.rows, x = job.x;
  for (let row: u32 = 0; row < rows; row += 2) {
    const a = job.values + <usize>row * end, b = row + 1 < rows ? a + end : a;
    let a0 = zero(), a1 = zero(), a2 = zero(), a3 = zero(), b0 = zero(), b1 = zero(), b2 = zero(), b3 = zero();
    let i: usize = 0;
    for (; i < whole; i += 64) {
      let v = v128.load(x + i);
      a0 = madd(v, v128.load(a + i), a0); b0 = madd(v, v128.load(b + i), b0);
      v = v128.load(x + i, 16);
      a1 = madd(v, v128.load(a + i, 16), a1); b1 = madd(v, v128.load(b + i, 16), b1);
      v = v128.load(x + i, 32);
      a2 = madd(v, v128.load(a + i, 32), a2); b2 = madd(v, v128.load(b + i, 32), b2);
      v = v128.load(x + i, 48);
      a3 = madd(v, v128.load(a + i, 48), a3); b3 = madd(v, v128.load(b + i, 48), b3);
    }
    let sumA = sumOf(f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3))), sumB = sumOf(f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3)));
    for (; i < end; i += 4) { const v = load<f32>(x + i); sumA += v * load<f32>(a + i); sumB += v * load<f32>(b + i); }
    put(job, row, sumA);
    if (row + 1 < rows) put(job, row + 1, sumB);
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
    let sum = sumOf(f32x4.add(s0, s1));
    for (; left > 0; --left, a += 4, idx += 2) sum += load<f32>(a) * load<f32>(x + <usize>load<u16>(idx));
    put(job, row, sum);
  }
}

// @ts-ignore: decorator
@inline
function gather(x: usize, idx: usize): v128 {
  let v = v128.load32_zero(x + <usize>load<u16>(idx));
  v = v128.load_lane<f32>(x + <usize>load<u16>(idx, 2), v, 1);
  v = v128.load_lane<f32>(x + <usize>load<u16>(idx, 4), v, 2);
  return v128.load_lane<f32>(x + <usize>load<u16>(idx, 6), v, 3);
}

/** Blocks of four rows: one splat of x for four multiplications, two sums for the latency. */
// @ts-ignore: decorator
@inline
export function rows4<P extends Pattern>(at: usize): void {
  const job = changetype<SpmvJob>(at), pattern = changetype<P>(0);
  const blockRows = job.blockRows, rows = job.rows, x = job.x, run = job.run;
  let a = job.values, idx = job.idx, ptr = job.ptr;
  for (let row: u32 = 0; row < rows; row += blockRows, ptr += 4) {
    let s0 = zero(), s1 = zero();
    let b = x;
    for (let left = pattern.count(ptr, 0); left > 0; --left) {
      b = pattern.next(b, x, idx, 4);
      idx += pattern.indexBytes();
      let k = run;
      do {
        const swap = s0;
        s0 = madd(v128.load32_splat(b), v128.load(a), s1);
        s1 = swap;
        a += 16;
        if (pattern.runs()) b += 4;
      } while (pattern.runs() && --k);
    }
    const sum = f32x4.add(s0, s1), valid = min(blockRows, rows - row);
    put(job, row, f32x4.extract_lane(sum, 0));
    if (valid > 1) put(job, row + 1, f32x4.extract_lane(sum, 1));
    if (valid > 2) put(job, row + 2, f32x4.extract_lane(sum, 2));
    if (valid > 3) put(job, row + 3, f32x4.extract_lane(sum, 3));
  }
}
