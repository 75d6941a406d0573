import { BinaryJob, UnaryJob } from './job';
import { clamp, madd, zero } from './simd';

// One output for each element. A function is a policy; the loop is written once. Lengths are rounded up to whole
// vectors: buffers have the room.

@unmanaged
export abstract class Unary {}

@unmanaged
export abstract class Binary {}

/** Most of −ln 2: with few digits, so that n times it is exact, or with all where it is not rounded before it is added. */
const LN2: f32 = ASC_FEATURE_RELAXED_SIMD ? -0.6931471805599453 : -0.693359375;

// Constants in memory: to load and repeat one is one instruction, making a vector of a number three.
const EXP = memory.data<f32>([
  -87.4, 89, 1.4426950408889634, 12583038, LN2, 2.12194440e-4,
  0.008312331512570381, 0.041890256106853485, 0.16667117178440094, 0.499992311000824, 0.5, 1,
], 16);

/** −1 eight times and 0 eight times: of eight lanes the first n from byte 32 − 4n on. */
export const FIRST = memory.data<i32>([-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0], 16);

/**
 * A function of e^z, given as two numbers: s = 2^n / 2 and w = e^r − 1, where z = n·ln 2 + r and |r| ≤ ln 2 / 2, so that
 * e^z / 2 = s + s·w and (e^z − 1) / 2 = s·w + (s − 1/2) keeps its digits where z is small. a is the operator's
 * parameter, lo and hi are how far z may go.
 */
@unmanaged
export abstract class Exponential {}

// @ts-ignore: decorator
@inline
function sigmoid4(s: v128, w: v128): v128 {
  const e = madd(s, w, s);
  return f32x4.div(e, f32x4.add(e, v128.load32_splat(EXP, 40)));
}

@unmanaged @final
export class Sigmoid extends Exponential {
  @inline before(x: v128, a: v128, lo: v128, hi: v128): v128 { return clamp(x, lo, hi); }
  @inline after(x: v128, s: v128, w: v128): v128 { return sigmoid4(s, w); }
  @inline sums(): bool { return false; }
}
@unmanaged @final
export class Swish extends Exponential {
  @inline before(x: v128, a: v128, lo: v128, hi: v128): v128 { return clamp(f32x4.mul(x, a), lo, hi); }
  @inline after(x: v128, s: v128, w: v128): v128 { return f32x4.mul(x, sigmoid4(s, w)); }
  @inline sums(): bool { return false; }
}
/** (e^2x − 1) / (e^2x + 1); the sign is put in for the sake of −0. */
@unmanaged @final
export class Tanh extends Exponential {
  @inline before(x: v128, a: v128, lo: v128, hi: v128): v128 { return clamp(f32x4.add(x, x), lo, hi); }
  @inline after(x: v128, s: v128, w: v128): v128 {
    const half = v128.load32_splat(EXP, 40), e = madd(s, w, f32x4.sub(s, half));
    return v128.or(f32x4.div(e, f32x4.add(e, v128.load32_splat(EXP, 44))), v128.and(x, f32x4.splat(-0.0)));
  }
  @inline sums(): bool { return false; }
}
@unmanaged @final
export class Exp extends Exponential {
  @inline before(x: v128, a: v128, lo: v128, hi: v128): v128 { return clamp(x, lo, hi); }
  @inline after(x: v128, s: v128, w: v128): v128 { const e = madd(s, w, s); return f32x4.add(e, e); }
  @inline sums(): bool { return false; }
}
/** e^(x − a) / 2 for x ≤ a, and the sum of them. */
@unmanaged @final
export class Softmax extends Exponential {
  @inline before(x: v128, a: v128, lo: v128, hi: v128): v128 { return f32x4.pmax(f32x4.sub(x, a), lo); }
  @inline after(x: v128, s: v128, w: v128): v128 { return madd(s, w, s); }
  @inline sums(): bool { return true; }
}

/**
 * y[i] = f(x[i]) over `bytes`, two vectors `step` bytes apart at a time, and their sum by lanes where a function wants it. With a step
 * of 16 up to 31 bytes too many are written, with a longer one none. n is rounded by adding a number so large that no fraction is left:
 * its last bits are then n and the bias of an exponent. r comes in two parts (Cody & Waite), w is r + r² times a polynomial of degree 3
 * (minimax, relative error of e^r below 1.1·10⁻⁷). Results below 2^−125.5 are zero, as −∞ wants; NaN passes through.
 */
// @ts-ignore: decorator
@inline
export function exponentials<F extends Exponential>(x: usize, y: usize, bytes: usize, a: v128, step: usize = 16): v128 {
  const f = changetype<F>(0), last = step > 16 ? bytes - step : bytes;
  let sum = zero();
  for (let i: usize = 0; i < bytes; i += 2 * step) {
    const next = f.sums() ? min(i + step, last) : i + step, x0 = v128.load(x + i), x1 = v128.load(x + next);
    let c = v128.load32_splat(EXP), d = v128.load32_splat(EXP, 4);
    let r0 = f.before(x0, a, c, d), r1 = f.before(x1, a, c, d);
    c = v128.load32_splat(EXP, 8); d = v128.load32_splat(EXP, 12);
    const t0 = madd(r0, c, d), t1 = madd(r1, c, d), n0 = f32x4.sub(t0, d), n1 = f32x4.sub(t1, d);
    c = v128.load32_splat(EXP, 16); r0 = madd(n0, c, r0); r1 = madd(n1, c, r1);
    if (!ASC_FEATURE_RELAXED_SIMD) { c = v128.load32_splat(EXP, 20); r0 = madd(n0, c, r0); r1 = madd(n1, c, r1); }
    const u0 = f32x4.mul(r0, r0), u1 = f32x4.mul(r1, r1);
    c = v128.load32_splat(EXP, 24); d = v128.load32_splat(EXP, 28);
    let h0 = madd(r0, c, d), h1 = madd(r1, c, d);
    c = v128.load32_splat(EXP, 32); d = v128.load32_splat(EXP, 36);
    h0 = madd(u0, h0, madd(r0, c, d)); h1 = madd(u1, h1, madd(r1, c, d));
    const q0 = f.after(x0, i32x4.shl(t0, 23), madd(u0, h0, r0)), q1 = f.after(x1, i32x4.shl(t1, 23), madd(u1, h1, r1));
    if (f.sums()) {
      if (bytes - i < 2 * step) {
        const mask = FIRST + 32 - (step > 16 ? 16 : bytes - i);
        sum = f32x4.add(sum, f32x4.add(v128.and(q0, v128.load(mask)), v128.and(q1, v128.load(mask, 16))));
      } else sum = f32x4.add(sum, f32x4.add(q0, q1));
    }
    v128.store(y + i, q0);
    v128.store(y + next, q1);
  }
  return sum;
}

/** y[i] = f(e^…) of x[i]. */
// @ts-ignore: decorator
@inline
export function mapExponential<F extends Exponential>(at: usize): void {
  const job = changetype<UnaryJob>(at);
  exponentials<F>(job.x, job.y, <usize>job.length << 2, f32x4.splat(job.a));
}

// Numerator and denominator of erf x / x in x².
const ERF = memory.data<f32>([
  2.0500817754509626e-06, 3.809171175817028e-05, 0.0002848837757483125, 0.0011625455226749182, 0.0037656575441360474, 0.0149692976847291,
  0.052748847752809525, 0.11410949379205704, 0.190407395362854, 0.5020769238471985, 1.1283791065216064, 1,
], 16);

/** erf by a quotient of polynomials (minimax on ±3.92, where erf is 1 in f32; relative error below 4·10⁻⁷). */
// @ts-ignore: decorator
@inline
function erf4(x: v128): v128 {
  const end = f32x4.splat(3.92), y = clamp(x, f32x4.neg(end), end), s = f32x4.mul(y, y);
  let p = madd(s, v128.load32_splat(ERF), v128.load32_splat(ERF, 8)), q = madd(s, v128.load32_splat(ERF, 4), v128.load32_splat(ERF, 12));
  p = madd(p, s, v128.load32_splat(ERF, 16)); q = madd(q, s, v128.load32_splat(ERF, 20));
  p = madd(p, s, v128.load32_splat(ERF, 24)); q = madd(q, s, v128.load32_splat(ERF, 28));
  p = madd(p, s, v128.load32_splat(ERF, 32)); q = madd(q, s, v128.load32_splat(ERF, 36));
  p = madd(p, s, v128.load32_splat(ERF, 40)); q = madd(q, s, v128.load32_splat(ERF, 44));
  return f32x4.div(f32x4.mul(y, p), q);
}

// a and b are the operator's parameters.
@unmanaged @final
export class Clamp extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return clamp(x, a, b); } }
@unmanaged @final
export class Leaky extends Unary {
  @inline of(x: v128, a: v128, b: v128): v128 { return v128.bitselect(f32x4.mul(x, a), x, f32x4.lt(x, zero())); }
}
@unmanaged @final
export class HardSigmoid extends Unary {
  @inline of(x: v128, a: v128, b: v128): v128 { return clamp(madd(x, a, b), zero(), f32x4.splat(1)); }
}
@unmanaged @final
export class HardSwish extends Unary {
  @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.mul(x, clamp(madd(x, a, b), zero(), f32x4.splat(1))); }
}
@unmanaged @final
export class Erf extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return erf4(x); } }
@unmanaged @final
export class Sqrt extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.sqrt(x); } }
@unmanaged @final
export class Reciprocal extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.div(f32x4.splat(1), x); } }
@unmanaged @final
export class Abs extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.abs(x); } }
@unmanaged @final
export class Neg extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.neg(x); } }

/** y[i] = f(x[i]), eight numbers at a time. */
// @ts-ignore: decorator
@inline
export function map<F extends Unary>(at: usize): void {
  const job = changetype<UnaryJob>(at), f = changetype<F>(0), a = f32x4.splat(job.a), b = f32x4.splat(job.b), y = job.y;
  let x = job.x;
  for (const d = y - x, end = x + (<usize>job.length << 2); x < end; x += 32) {
    const x1 = v128.load(x, 16);
    v128.store(x + d, f.of(v128.load(x), a, b));
    v128.store(x + d, f.of(x1, a, b), 16);
  }
}

@unmanaged @final
export class Add extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.add(x, y); }
  @inline repeatsSecond(): bool { return true; }
}
@unmanaged @final
export class Sub extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.sub(x, y); }
  @inline repeatsSecond(): bool { return false; }
}
@unmanaged @final
export class Mul extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.mul(x, y); }
  @inline repeatsSecond(): bool { return true; }
}
@unmanaged @final
export class Div extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.div(x, y); }
  @inline repeatsSecond(): bool { return false; }
}
@unmanaged @final
export class Min extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.min(x, y); }
  @inline repeatsSecond(): bool { return true; }
}
@unmanaged @final
export class Max extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.max(x, y); }
  @inline repeatsSecond(): bool { return true; }
}
/** x where it is not negative, y·x where it is. */
@unmanaged @final
export class Prelu extends Binary {
  @inline of(x: v128, y: v128): v128 { return v128.bitselect(f32x4.mul(x, y), x, f32x4.lt(x, zero())); }
  @inline repeatsSecond(): bool { return true; }
}

/**
 * The innermost row: strides 4 (contiguous) or 0 (repeated); any other stride goes element by element. Where the order does
 * not matter, or slopes are meant, a repeated operand comes second.
 */
// @ts-ignore: decorator
@inline
function row<F extends Binary>(job: BinaryJob, a: usize, b: usize, y: usize): void {
  const f = changetype<F>(0), n = <usize>job.n3 << 2, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), sa = job.a3, sb = job.b3;
  if (sa == 4 && sb == 4) {
    for (let i: usize = 0; i < n; i += 16) v128.store(y + i, clamp(f.of(v128.load(a + i), v128.load(b + i)), lo, hi));
  } else if (sa == 4 && sb == 0) {
    for (let i: usize = 0, v = v128.load32_splat(b); i < n; i += 16) v128.store(y + i, clamp(f.of(v128.load(a + i), v), lo, hi));
  } else if (!f.repeatsSecond() && sa == 0 && sb == 4) {
    for (let i: usize = 0, v = v128.load32_splat(a); i < n; i += 16) v128.store(y + i, clamp(f.of(v, v128.load(b + i)), lo, hi));
  } else {
    for (let i: usize = 0; i < n; i += 4, a += sa, b += sb) {
      v128.store(y + i, clamp(f.of(v128.load32_splat(a), v128.load32_splat(b)), lo, hi));
    }
  }
}

/** y[i0][i1][i2][i3] = clamp(f(a, b)). Rows are written upwards, so what a row writes too much the next overwrites. */
// @ts-ignore: decorator
@inline
export function combine<F extends Binary>(at: usize): void {
  const job = changetype<BinaryJob>(at);
  let y = job.y;
  for (let i0: u32 = 0; i0 < job.n0; ++i0) {
    for (let i1: u32 = 0; i1 < job.n1; ++i1) {
      let a = job.a + <usize>i0 * job.a0 + <usize>i1 * job.a1, b = job.b + <usize>i0 * job.b0 + <usize>i1 * job.b1;
      for (let i2: u32 = 0; i2 < job.n2; ++i2) {
        row<F>(job, a, b, y);
        a += job.a2;
        b += job.b2;
        y += <usize>job.n3 << 2;
      }
    }
  }
}
