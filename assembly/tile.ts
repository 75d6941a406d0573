import { SpmmJob } from './job';
import { Pattern } from './pattern';
import { finish, start } from './epilogue';
import { madd, zero } from './simd';

// The micro-kernel. C[rows×4V] = clamp(A·P + bias + residual): A as blocks of R rows whose stored positions `P` walks.
// R and V are literals, so every `if (R > …)` and `if (V > …)` is decided when the kernel is compiled. Two shapes:
// `wide` holds R weights and streams the panel (R·V accumulators, one load each), `tall` holds V panel vectors and
// streams R weights. Load and use alternate because V8 keeps source order and has fifteen registers.

// @ts-ignore: decorator
@inline
function rowBias(bias: usize, row: u32): v128 {
  return bias ? v128.load32_splat(bias + (<usize>row << 2)) : zero();
}

/** R ≤ 2 at V ≤ 4. */
// @ts-ignore: decorator
@inline
export function wide<P extends Pattern>(at: usize, R: i32, V: i32): void {
  const job = changetype<SpmmJob>(at), pattern = changetype<P>(0);
  const panel = job.panel, unit = job.unit, cStride = job.cStride, residual = job.residual, bias = job.bias;
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), partial = job.partial != 0;
  const rows = job.rows, blockRows = job.blockRows, blocks = job.blocks, all = job.all, run = job.run;
  let a = job.values, idx = job.idx, ptr = job.ptr, c = job.c;
  for (let block: u32 = 0, row: u32 = 0; block < blocks; ++block) {
    const two = R > 1 && blockRows > 1 && row + 1 < rows;
    const bias0 = rowBias(bias, row);
    let x0 = start(c, bias0, partial), x1 = x0, x2 = x0, x3 = x0;
    let y0 = x0, y1 = x0, y2 = x0, y3 = x0;
    if (partial) {
      if (V > 1) x1 = v128.load(c, 16);
      if (V > 2) x2 = v128.load(c, 32);
      if (V > 3) x3 = v128.load(c, 48);
    }
    if (R > 1 && two) {
      const d = c + cStride;
      y0 = start(d, rowBias(bias, row + 1), partial);
      y1 = y0; y2 = y0; y3 = y0;
      if (partial) {
        if (V > 1) y1 = v128.load(d, 16);
        if (V > 2) y2 = v128.load(d, 32);
        if (V > 3) y3 = v128.load(d, 48);
      }
    }
    let b = panel - unit;
    for (let left = pattern.count(ptr, all); left > 0; --left) {
      b = pattern.next(b, panel, idx, unit);
      idx += pattern.indexBytes();
      let k = run;
      do {
        const w = v128.load32_splat(a);
        const u = R > 1 ? v128.load32_splat(a, 4) : w;
        let p = v128.load(b);
        x0 = madd(p, w, x0); if (R > 1) y0 = madd(p, u, y0);
        if (V > 1) { p = v128.load(b, 16); x1 = madd(p, w, x1); if (R > 1) y1 = madd(p, u, y1); }
        if (V > 2) { p = v128.load(b, 32); x2 = madd(p, w, x2); if (R > 1) y2 = madd(p, u, y2); }
        if (V > 3) { p = v128.load(b, 48); x3 = madd(p, w, x3); if (R > 1) y3 = madd(p, u, y3); }
        a += <usize>R << 2;
        if (pattern.runs()) b += unit;
      } while (pattern.runs() && --k);
    }
    finish(c, x0, residual, lo, hi);
    if (V > 1) finish(c + 16, x1, residual, lo, hi);
    if (V > 2) finish(c + 32, x2, residual, lo, hi);
    if (V > 3) finish(c + 48, x3, residual, lo, hi);
    if (R > 1 && two) {
      const d = c + cStride;
      finish(d, y0, residual, lo, hi);
      if (V > 1) finish(d + 16, y1, residual, lo, hi);
      if (V > 2) finish(d + 32, y2, residual, lo, hi);
      if (V > 3) finish(d + 48, y3, residual, lo, hi);
    }
    row += blockRows;
    c += cStride * <usize>blockRows;
    ptr += 4;
  }
}

/** R ≤ 6 at V ≤ 2: twelve sums, two panel vectors and a weight are the fifteen registers. */
// @ts-ignore: decorator
@inline
export function tall<P extends Pattern>(at: usize, R: i32, V: i32): void {
  const job = changetype<SpmmJob>(at), pattern = changetype<P>(0);
  const panel = job.panel, unit = job.unit, cStride = job.cStride, residual = job.residual, bias = job.bias;
  const lo = f32x4.splat(job.min), hi = f32x4.splat(job.max), partial = job.partial != 0;
  const rows = job.rows, blockRows = job.blockRows, blocks = job.blocks, all = job.all, run = job.run;
  let a = job.values, idx = job.idx, ptr = job.ptr, c = job.c;
  for (let block: u32 = 0, row: u32 = 0; block < blocks; ++block) {
    const valid = min(blockRows, rows - row);
    let x0 = start(c, rowBias(bias, row), partial), y0 = x0;
    let x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0, y1 = x0, y2 = x0, y3 = x0, y4 = x0, y5 = x0;
    if (V > 1 && partial) y0 = v128.load(c, 16);
    let d = c;
    if (R > 1 && valid > 1) { d += cStride; x1 = start(d, rowBias(bias, row + 1), partial); y1 = x1; if (V > 1 && partial) y1 = v128.load(d, 16); }
    if (R > 2 && valid > 2) { d += cStride; x2 = start(d, rowBias(bias, row + 2), partial); y2 = x2; if (V > 1 && partial) y2 = v128.load(d, 16); }
    if (R > 3 && valid > 3) { d += cStride; x3 = start(d, rowBias(bias, row + 3), partial); y3 = x3; if (V > 1 && partial) y3 = v128.load(d, 16); }
    if (R > 4 && valid > 4) { d += cStride; x4 = start(d, rowBias(bias, row + 4), partial); y4 = x4; if (V > 1 && partial) y4 = v128.load(d, 16); }
    if (R > 5 && valid > 5) { d += cStride; x5 = start(d, rowBias(bias, row + 5), partial); y5 = x5; if (V > 1 && partial) y5 = v128.load(d, 16); }
    let b = panel - unit;
    for (let left = pattern.count(ptr, all); left > 0; --left) {
      b = pattern.next(b, panel, idx, unit);
      idx += pattern.indexBytes();
      let k = run;
      do {
        const p = v128.load(b);
        const q = V > 1 ? v128.load(b, 16) : p;
        let w = v128.load32_splat(a);
        x0 = madd(p, w, x0); if (V > 1) y0 = madd(q, w, y0);
        if (R > 1) { w = v128.load32_splat(a, 4); x1 = madd(p, w, x1); if (V > 1) y1 = madd(q, w, y1); }
        if (R > 2) { w = v128.load32_splat(a, 8); x2 = madd(p, w, x2); if (V > 1) y2 = madd(q, w, y2); }
        if (R > 3) { w = v128.load32_splat(a, 12); x3 = madd(p, w, x3); if (V > 1) y3 = madd(q, w, y3); }
        if (R > 4) { w = v128.load32_splat(a, 16); x4 = madd(p, w, x4); if (V > 1) y4 = madd(q, w, y4); }
        if (R > 5) { w = v128.load32_splat(a, 20); x5 = madd(p, w, x5); if (V > 1) y5 = madd(q, w, y5); }
        a += <usize>R << 2;
        if (pattern.runs()) b += unit;
      } while (pattern.runs() && --k);
    }
    finish(c, x0, residual, lo, hi); if (V > 1) finish(c + 16, y0, residual, lo, hi);
    d = c;
    if (R > 1 && valid > 1) { d += cStride; finish(d, x1, residual, lo, hi); if (V > 1) finish(d + 16, y1, residual, lo, hi); }
    if (R > 2 && valid > 2) { d += cStride; finish(d, x2, residual, lo, hi); if (V > 1) finish(d + 16, y2, residual, lo, hi); }
    if (R > 3 && valid > 3) { d += cStride; finish(d, x3, residual, lo, hi); if (V > 1) finish(d + 16, y3, residual, lo, hi); }
    if (R > 4 && valid > 4) { d += cStride; finish(d, x4, residual, lo, hi); if (V > 1) finish(d + 16, y4, residual, lo, hi); }
    if (R > 5 && valid > 5) { d += cStride; finish(d, x5, residual, lo, hi); if (V > 1) finish(d + 16, y5, residual, lo, hi); }
    row += blockRows;
    c += cStride * <usize>blockRows;
    ptr += 4;
  }
}
