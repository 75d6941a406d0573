import { BinaryJob, UnaryJob } from './job';
import { clamp, madd, zero } from './simd';

// One output for each element. A function is a policy; the loop is written once. Lengths are rounded up to whole
// vectors: buffers have the room.

@unmanaged
export abstract class Unary {}

@unmanaged
export abstract class Binary {}

// Constants in fours: a load is one instruction, making a vector of a number three.
const EXP = memory.data<f32>([
  -104, -104, -104, -104, 89, 89, 89, 89,
  1.4426950408889634, 1.4426950408889634, 1.4426950408889634, 1.4426950408889634,
  0.693359375, 0.693359375, 0.693359375, 0.693359375, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4,
  0.001388888888888889, 0.001388888888888889, 0.001388888888888889, 0.001388888888888889,
  0.008333333333333333, 0.008333333333333333, 0.008333333333333333, 0.008333333333333333,
  0.041666666666666664, 0.041666666666666664, 0.041666666666666664, 0.041666666666666664,
  0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.16666666666666666,
  0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1,
], 16);

/**
 * e^x: 2^n·e^r with n = round(x/ln 2), r in two parts (Cody & Waite), e^r by its Taylor polynomial of degree 6
 * (relative error below 2·10⁻⁷ for |r| ≤ ln 2 / 2).
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  // Beyond −104 and 89 the result is zero or infinite in f32; NaN passes through.
  const bound = f32x4.pmin(f32x4.pmax(x, v128.load(EXP)), v128.load(EXP, 16));
  const n = f32x4.nearest(f32x4.mul(bound, v128.load(EXP, 32)));
  let r = f32x4.sub(bound, f32x4.mul(n, v128.load(EXP, 48)));
  r = f32x4.add(r, f32x4.mul(n, v128.load(EXP, 64)));
  let p = madd(v128.load(EXP, 80), r, v128.load(EXP, 96));
  p = madd(p, r, v128.load(EXP, 112));
  p = madd(p, r, v128.load(EXP, 128));
  p = madd(p, r, v128.load(EXP, 144));
  p = madd(p, r, v128.load(EXP, 160));
  p = madd(p, r, v128.load(EXP, 160));
  // 2^n in two factors, so that n = 128 and the subnormal results are reached without overflow.
  const i = i32x4.trunc_sat_f32x4_s(n), low = i32x4.shr_s(i, 1), high = i32x4.sub(i, low);
  return f32x4.mul(f32x4.mul(p, power2(low)), power2(high));
}

// @ts-ignore: decorator
@inline
function power2(n: v128): v128 { return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23); }

// @ts-ignore: decorator
@inline
function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
function tanh4(x: v128): v128 {
  // Near zero 1 − 2/(e^2x + 1) loses its digits: there the series x − x³/3 + 2x⁵/15 − 17x⁷/315.
  const far = f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(exp4(f32x4.add(x, x)), f32x4.splat(1))));
  const s = f32x4.mul(x, x);
  let p = madd(s, f32x4.splat(-17.0 / 315.0), f32x4.splat(2.0 / 15.0));
  p = madd(s, p, f32x4.splat(-1.0 / 3.0));
  const near = madd(f32x4.mul(x, s), p, x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.15)));
}

/** erf by Abramowitz & Stegun 7.1.26, absolute error below 1.5·10⁻⁷. */
// @ts-ignore: decorator
@inline
function erf4(x: v128): v128 {
  const m = f32x4.abs(x), t = f32x4.div(f32x4.splat(1), madd(m, f32x4.splat(0.3275911), f32x4.splat(1)));
  let p = madd(t, f32x4.splat(1.061405429), f32x4.splat(-1.453152027));
  p = madd(t, p, f32x4.splat(1.421413741));
  p = madd(t, p, f32x4.splat(-0.284496736));
  p = madd(t, p, f32x4.splat(0.254829592));
  const y = f32x4.sub(f32x4.splat(1), f32x4.mul(f32x4.mul(p, t), exp4(f32x4.neg(f32x4.mul(m, m)))));
  return v128.or(y, v128.and(x, f32x4.splat(-0.0)));
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
  @inline of(x: v128, a: v128, b: v128): v128 { return clamp(f32x4.add(f32x4.mul(x, a), b), zero(), f32x4.splat(1)); }
}
@unmanaged @final
export class HardSwish extends Unary {
  @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.mul(x, clamp(f32x4.add(f32x4.mul(x, a), b), zero(), f32x4.splat(1))); }
}
@unmanaged @final
export class Sigmoid extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return sigmoid4(x); } }
@unmanaged @final
export class Swish extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return f32x4.mul(x, sigmoid4(f32x4.mul(x, a))); } }
@unmanaged @final
export class Tanh extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return tanh4(x); } }
@unmanaged @final
export class Exp extends Unary { @inline of(x: v128, a: v128, b: v128): v128 { return exp4(x); } }
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

/** y[i] = f(x[i]). */
// @ts-ignore: decorator
@inline
export function map<F extends Unary>(at: usize): void {
  const job = changetype<UnaryJob>(at), f = changetype<F>(0);
  const a = f32x4.splat(job.a), b = f32x4.splat(job.b), y = job.y;
  let x = job.x;
  for (const d = y - x, end = x + (<usize>job.length << 2); x < end; x += 16) v128.store(x + d, f.of(v128.load(x), a, b));
}

@unmanaged @final
export class Add extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.add(x, y); }
  @inline commutes(): bool { return true; }
}
@unmanaged @final
export class Sub extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.sub(x, y); }
  @inline commutes(): bool { return false; }
}
@unmanaged @final
export class Mul extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.mul(x, y); }
  @inline commutes(): bool { return true; }
}
@unmanaged @final
export class Div extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.div(x, y); }
  @inline commutes(): bool { return false; }
}
@unmanaged @final
export class Min extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.min(x, y); }
  @inline commutes(): bool { return true; }
}
@unmanaged @final
export class Max extends Binary {
  @inline of(x: v128, y: v128): v128 { return f32x4.max(x, y); }
  @inline commutes(): bool { return true; }
}
/** x where it is not negative, y·x where it is. */
@unmanaged @final
export class Prelu extends Binary {
  @inline of(x: v128, y: v128): v128 { return v128.bitselect(f32x4.mul(x, y), x, f32x4.lt(x, zero())); }
  @inline commutes(): bool { return false; }
}

/**
 * The innermost row: strides 4 (contiguous) or 0 (repeated); any other stride goes element by element. Where the order does
 * not matter, a repeated operand comes second.
 */
// @ts-ignore: decorator
@inline
function row<F extends Binary>(job: BinaryJob, a: usize, b: usize, y: usize): void {
  const f = changetype<F>(0), n = <usize>job.n3 << 2, lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), sa = job.a3, sb = job.b3;
  if (sa == 4 && sb == 4) {
    for (let i: usize = 0; i < n; i += 16) v128.store(y + i, clamp(f.of(v128.load(a + i), v128.load(b + i)), lo, hi));
  } else if (sa == 4 && sb == 0) {
    for (let i: usize = 0, v = v128.load32_splat(b); i < n; i += 16) v128.store(y + i, clamp(f.of(v128.load(a + i), v), lo, hi));
  } else if (!f.commutes() && sa == 0 && sb == 4) {
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
