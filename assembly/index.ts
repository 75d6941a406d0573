// The export table: one line a kernel instance. A name is a record, dtype_pattern_operation_size, read by src/kernels.ts;
// every kernel takes the address of its record (job.ts).
import { Bsr, Csr, Dense } from './pattern';
import { Far, Near, pair } from './pair';
import { tall, wide } from './tile';
import { halve, Largest, slide, Total, Weighted } from './window';
import * as spmv from './spmv';
import { sample } from './sddmm';
import { scatterRows } from './transposed';
import * as fn from './pointwise';
import { reduce } from './axis';

export { heap_base, matmul, run } from './matmul';
export { pack_rows, pack_columns, pack_taps, pack_a, pad, unpack, crop } from './pack';
export { share } from './threads';
export { peak as f32_peak } from './peak';
export {
  slide3x3 as f32_depthwise_3x3, slide3x3by2 as f32_depthwise_strided_3x3, slide5x5 as f32_depthwise_5x5,
} from './depthwise';
export { softmax as f32_softmax, copy as b32_copy, resize as f32_resize, scatter as f32_scatter } from './axis';

// C[rows×width] = A·P: R rows × 4V columns.
export function f32_dense_spmm_6x8(job: usize): void { tall<Dense>(job, 6, 2); }
export function f32_dense_spmm_4x8(job: usize): void { tall<Dense>(job, 4, 2); }
export function f32_dense_spmm_2x16(job: usize): void { wide<Dense>(job, 2, 4); }
export function f32_csr_spmm_4x8(job: usize): void { tall<Csr>(job, 4, 2); }
export function f32_csr_spmm_6x8(job: usize): void { tall<Csr>(job, 6, 2); }
export function f32_bsr_spmm_4x8(job: usize): void { tall<Bsr>(job, 4, 2); }
export function f32_bsr_spmm_6x8(job: usize): void { tall<Bsr>(job, 6, 2); }

// The same for rows in pairs: B packed, B where it lies, and windows over packed rows of pixels.
export function f32_pair_spmm_2x8(job: usize): void { pair<Near>(job, 2); }
export function f32_pair_spmm_2x16(job: usize): void { pair<Near>(job, 4); }
export function f32_pair_spmm_2x20(job: usize): void { pair<Near>(job, 5); }
export function f32_pair_spmm_2x24(job: usize): void { pair<Near>(job, 6); }
export function f32_pair_conv_2x16(job: usize): void { f32_pair_spmm_2x16(job); }
export function f32_pair_conv_2x24(job: usize): void { f32_pair_spmm_2x24(job); }
export function f32_pair_direct_2x24(job: usize): void { pair<Far>(job, 6); }

// y[rows] = A·x.
export function f32_dense_spmv(job: usize): void { spmv.dense(job); }
export function f16_dense_spmv(job: usize): void { spmv.halves(job); }
export function f32_csr_spmv_1(job: usize): void { spmv.sparse(job); }
export function f32_csr_spmv_4(job: usize): void { spmv.rows4(job); }
export function f32_bsr_spmv_4(job: usize): void { spmv.rows4(job); }

// A·Bᵀ at stored positions, and C = Aᵀ·B.
export function f32_csr_sddmm(job: usize): void { sample(job); }
export function f32_csr_spmmt_1x32(job: usize): void { scatterRows(job); }
export function f32_csr_spmmt_4x8(job: usize): void { scatterRows(job); }

// Windows over padded planes.
export function f32_depthwise(job: usize): void { slide<Weighted>(job); }
export function f32_maxpool(job: usize): void { slide<Largest>(job); }
export function f32_sumpool(job: usize): void { slide<Total>(job); }
export function f32_maxpool_strided(job: usize): void { halve<Largest>(job); }
export function f32_sumpool_strided(job: usize): void { halve<Total>(job); }

// y[i] = f(x[i]).
export function f32_clamp(job: usize): void { fn.map<fn.Clamp>(job); }
export function f32_leaky(job: usize): void { fn.map<fn.Leaky>(job); }
export function f32_hardsigmoid(job: usize): void { fn.map<fn.HardSigmoid>(job); }
export function f32_hardswish(job: usize): void { fn.map<fn.HardSwish>(job); }
export function f32_sigmoid(job: usize): void { fn.mapExponential<fn.Sigmoid>(job); }
export function f32_swish(job: usize): void { fn.mapExponential<fn.Swish>(job); }
export function f32_tanh(job: usize): void { fn.mapExponential<fn.Tanh>(job); }
export function f32_exp(job: usize): void { fn.mapExponential<fn.Exp>(job); }
export function f32_erf(job: usize): void { fn.map<fn.Erf>(job); }
export function f32_sqrt(job: usize): void { fn.map<fn.Sqrt>(job); }
export function f32_reciprocal(job: usize): void { fn.map<fn.Reciprocal>(job); }
export function f32_abs(job: usize): void { fn.map<fn.Abs>(job); }
export function f32_neg(job: usize): void { fn.map<fn.Neg>(job); }

// y = f(a, b), broadcast.
export function f32_add(job: usize): void { fn.combine<fn.Add>(job); }
export function f32_sub(job: usize): void { fn.combine<fn.Sub>(job); }
export function f32_mul(job: usize): void { fn.combine<fn.Mul>(job); }
export function f32_div(job: usize): void { fn.combine<fn.Div>(job); }
export function f32_min(job: usize): void { fn.combine<fn.Min>(job); }
export function f32_max(job: usize): void { fn.combine<fn.Max>(job); }
export function f32_prelu(job: usize): void { fn.combine<fn.Prelu>(job); }

// y[outer][inner] from x[outer][length][inner].
export function f32_sum(job: usize): void { reduce(job, false); }
export function f32_largest(job: usize): void { reduce(job, true); }
