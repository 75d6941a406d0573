import { SddmmJob } from './job';
import { madd, sumsOf, zero } from './simd';

// values[nnz] = (A·Bᵀ) at stored positions: A[rows×depth], B[cols×depth] row-major, depth a multiple of 8. colIdx[nnz] and
// rowPtr[rows+1] are u32. Four positions of a row at a time share the vectors of A; eight sums.

/** values[p] = Σ a[row(p)]·b[col(p)], added to what is there where the job is a later part of the depth. */
// @ts-ignore: decorator
@inline
export function sample(at: usize): void {
  const job = changetype<SddmmJob>(at);
  const b = job.b, stride = job.bStride, rows = job.rows, partial = job.partial != 0;
  const end = job.depth;
  let a = job.a, idx = job.idx, out = job.values, ptr = job.ptr;
  for (let row: u32 = 0; row < rows; ++row, ptr += 4, a += job.aStride) {
    let left: i32 = load<u32>(ptr, 4) - load<u32>(ptr);
    for (; left > 0; left -= 4) {
      // Positions beyond the row's last repeat its last.
      const i1: usize = left > 1 ? 4 : 0, i2: usize = left > 2 ? 8 : i1, i3: usize = left > 3 ? 12 : i2;
      const p0 = b + <usize>load<u32>(idx) * stride, p1 = b + <usize>load<u32>(idx + i1) * stride;
      const p2 = b + <usize>load<u32>(idx + i2) * stride, p3 = b + <usize>load<u32>(idx + i3) * stride;
      let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero(), t0 = zero(), t1 = zero(), t2 = zero(), t3 = zero();
      for (let k: usize = 0; k < end; k += 32) {
        let v = v128.load(a + k);
        s0 = madd(v, v128.load(p0 + k), s0); s1 = madd(v, v128.load(p1 + k), s1);
        s2 = madd(v, v128.load(p2 + k), s2); s3 = madd(v, v128.load(p3 + k), s3);
        v = v128.load(a + k, 16);
        t0 = madd(v, v128.load(p0 + k, 16), t0); t1 = madd(v, v128.load(p1 + k, 16), t1);
        t2 = madd(v, v128.load(p2 + k, 16), t2); t3 = madd(v, v128.load(p3 + k, 16), t3);
      }
      let sums = sumsOf(f32x4.add(s0, t0), f32x4.add(s1, t1), f32x4.add(s2, t2), f32x4.add(s3, t3));
      if (partial) sums = f32x4.add(sums, v128.load(out));
      if (left > 3) {
        v128.store(out, sums);
        out += 16;
        idx += 16;
        continue;
      }
      for (let n = left; n > 0; --n, out += 4, idx += 4) {
        v128.store_lane<f32>(out, sums, 0);
        sums = v128.shuffle<i32>(sums, sums, 1, 2, 3, 0);
      }
    }
  }
}
