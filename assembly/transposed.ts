import { TransposedJob } from './job';
import { madd, zero } from './simd';

// C[depth×cols] = Aᵀ·B, A as the rows of a csr packing or blocks of four of them: no second copy of A. The rows of B stay
// in registers, each stored position of A adds to one row of a tile[depth][4V] of C that stays in the first cache; its
// index is the byte offset of that row, the same as for C = A·P with a panel as wide.

/** t[0..3] += b·w */
// @ts-ignore: decorator
@inline
function add(t: usize, b: v128, w: v128): void {
  v128.store(t, madd(b, w, v128.load(t)));
}

/** One row of B × 32 columns. */
// @ts-ignore: decorator
@inline
function scatter1(job: TransposedJob, col: usize): void {
  const tile = job.tile, rows = job.rows, stride = job.bStride;
  let a = job.values, idx = job.idx, ptr = job.ptr, b = job.b + col;
  for (let row: u32 = 0; row < rows; ++row, ptr += 4, b += stride) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
    const b4 = v128.load(b, 64), b5 = v128.load(b, 80), b6 = v128.load(b, 96), b7 = v128.load(b, 112);
    for (let left = load<u32>(ptr, 4) - load<u32>(ptr); left > 0; --left, a += 4, idx += 2) {
      const t = tile + <usize>load<u16>(idx), w = v128.load32_splat(a);
      add(t, b0, w); add(t + 16, b1, w); add(t + 32, b2, w); add(t + 48, b3, w);
      add(t + 64, b4, w); add(t + 80, b5, w); add(t + 96, b6, w); add(t + 112, b7, w);
    }
  }
}

/** Four rows of B × 8 columns: a row of the tile is loaded and stored once for four of them. */
// @ts-ignore: decorator
@inline
function scatter4(job: TransposedJob, col: usize): void {
  const tile = job.tile, rows = job.rows, stride = job.bStride, blockRows = job.blockRows;
  let a = job.values, idx = job.idx, ptr = job.ptr, b = job.b + col;
  for (let row: u32 = 0; row < rows; row += blockRows, ptr += 4, b += stride * <usize>blockRows) {
    const valid = min(blockRows, rows - row), b0 = v128.load(b), c0 = v128.load(b, 16);
    // Weights of rows that are not there are zeros, and must not meet a number that is none.
    let b1 = zero(), c1 = b1, b2 = b1, c2 = b1, b3 = b1, c3 = b1;
    if (valid > 1) { b1 = v128.load(b + stride); c1 = v128.load(b + stride, 16); }
    if (valid > 2) { b2 = v128.load(b + stride * 2); c2 = v128.load(b + stride * 2, 16); }
    if (valid > 3) { b3 = v128.load(b + stride * 3); c3 = v128.load(b + stride * 3, 16); }
    for (let left = load<u32>(ptr, 4) - load<u32>(ptr); left > 0; --left, a += 16, idx += 2) {
      const t = tile + <usize>load<u16>(idx);
      let w = v128.load32_splat(a), s = madd(b0, w, v128.load(t)), u = madd(c0, w, v128.load(t, 16));
      w = v128.load32_splat(a, 4); s = madd(b1, w, s); u = madd(c1, w, u);
      w = v128.load32_splat(a, 8); s = madd(b2, w, s); u = madd(c2, w, u);
      w = v128.load32_splat(a, 12); s = madd(b3, w, s); u = madd(c3, w, u);
      v128.store(t, s);
      v128.store(t, u, 16);
    }
  }
}

/** The columns are as many as a tile has or more; the last tile overlaps the one before. */
// @ts-ignore: decorator
@inline
export function scatterRows(at: usize): void {
  const job = changetype<TransposedJob>(at), unit = job.unit;
  const tile = job.tile, end = tile + <usize>job.depth * unit, bytes = <usize>job.cols << 2;
  for (let next: usize = 0; next < bytes; next += unit) {
    const col = min(next, bytes - unit);
    for (let t = tile; t < end; t += 16) v128.store(t, zero());
    if (unit == 128) scatter1(job, col);
    else scatter4(job, col);
    let c = job.c + col;
    for (let t = tile; t < end; c += job.cStride) {
      for (let i: usize = 0; i < unit; i += 16, t += 16) v128.store(c + i, v128.load(t));
    }
  }
}
