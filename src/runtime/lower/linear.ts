import type { Call } from '../../backends/index.ts';
import { input, num } from '../../graph/ops/op.ts';
import { sizeOf, type Shape } from '../../tensor.ts';
import type { Kernel } from '../../kernels.ts';
import { clampOf, optional } from './conv.ts';
import type { Context } from './context.ts';
import type { Lower, Operation } from './lower.ts';
import { lowerProduct, lowerVectors, productCall, type Epilogue } from './product.ts';
import type { Choice, Weight } from './weight.ts';

/**
 * Rows of x that may be multiplied one after the other as vectors, each of which reads the weight anew. A tile has eight
 * columns: below that many rows part of it is wasted.
 */
const MOST_VECTORS = 7;

/** y[…, O] = x[…, K]·wᵀ + bias: the weight is the left side, the rows of x are the columns of the product. */
export const lowerLinear: Lower = (ctx, op) => {
  const weights = op.inputs[1]?.value;
  if (!weights || weights.type !== 'float32' || weights.size === 0) return undefined;
  const [rows, depth] = weights.dims, batch = sizeOf(input(op, 0).shape) / Math.max(depth, 1);
  const weight: Weight = {
    key: `${op.node.inputs[1]}#0`, rows, cols: depth, matrix: () => ({ rows, cols: depth, values: weights.data as Float32Array }),
  };
  const build = (choice?: Choice): Call[] => {
    const x = ctx.address(op.node.inputs[0]), y = ctx.address(op.node.outputs[0]);
    const epilogue: Epilogue = { bias: optional(ctx, op, 2), residual: optional(ctx, op, 3), ...clampOf(op) };
    if ((choice as Choice).kernel.op === 'spmv') return lowerVectors(ctx, { weight, choice: choice as Choice, x, y, epilogue }, batch);
    const place = { address: y, rowStride: 4, colStride: rows * 4 };
    return lowerProduct(ctx, {
      weight, choice: choice as Choice, cols: batch,
      operand: { pack: 'pack_columns', job: { src: x, stride: depth * 4 } }, place, epilogue,
    });
  };
  return { kernel: 'linear', build, weight, columns: { cols: batch, vector: batch <= MOST_VECTORS } };
};

/** The dense kernel that multiplies two matrices neither of which is known before the run. */
const DENSE = 'f32_dense_spmm_6x8';

interface MatmulShape { batch: Shape; rows: number; depth: number; cols: number; a: Shape; b: Shape }

/** Leading dimensions broadcast, the last two multiplied (numpy's matmul); vectors are left to the host. */
function matmulShape(op: Operation): MatmulShape | undefined {
  const a = input(op, 0).shape, b = input(op, 1).shape;
  if (a.length < 2 || b.length < 2) return undefined;
  const rank = Math.max(a.length, b.length);
  const lead = (s: Shape): number[] => [...new Array<number>(rank - s.length).fill(1), ...s.slice(0, -2)];
  const [la, lb] = [lead(a), lead(b)];
  return {
    batch: la.map((dim, i) => (dim === 1 ? lb[i] : dim)), rows: a[a.length - 2],
    depth: a[a.length - 1], cols: b[b.length - 1], a: la, b: lb,
  };
}

/** Number of the matrix that batch element `i` reads, where dimensions of 1 repeat. */
function matrixAt(i: number, batch: Shape, own: Shape): number {
  let place = 0, step = 1;
  for (let d = batch.length - 1; d >= 0; d--) {
    const at = i % batch[d];
    i = Math.floor(i / batch[d]);
    if (own[d] > 1) place += at * step;
    step *= own[d];
  }
  return place;
}

export const lowerMatMul: Lower = (ctx, op) => {
  const shape = matmulShape(op), kernel = ctx.backend.kernels.get(DENSE);
  if (!shape || !kernel || input(op, 0).type !== 'float32' || sizeOf([...shape.batch, shape.rows, shape.depth, shape.cols]) === 0) {
    return undefined;
  }
  const { batch, rows, depth, cols } = shape;
  const build = (): Call[] => {
    const [a, b, y] = [ctx.address(op.node.inputs[0]), ctx.address(op.node.inputs[1]), ctx.address(op.node.outputs[0])];
    const left = ctx.scratch(Math.ceil(rows / kernel.rows) * kernel.rows * depth * 4);
    return Array.from({ length: sizeOf(batch) }).flatMap((_, i) => denseProduct(ctx, kernel, {
      rows, depth, cols, left, a: a + matrixAt(i, batch, shape.a) * rows * depth * 4,
      b: b + matrixAt(i, batch, shape.b) * depth * cols * 4, y: y + i * rows * cols * 4,
      aStrides: [depth * 4, 4], transB: false, clamp: { min: -Infinity, max: Infinity },
    }));
  };
  return { kernel: DENSE, build };
};

interface DenseProduct {
  rows: number; depth: number; cols: number; left: number; a: number; b: number; y: number;
  aStrides: readonly [number, number]; transB: boolean; clamp: { min: number; max: number };
}

/** y[rows×cols] = a·b with both sides packed now. */
function denseProduct(ctx: Context, kernel: Kernel, p: DenseProduct): Call[] {
  const blocks = Math.ceil(p.rows / kernel.rows);
  const parts = ctx.upload(`${p.left}|${p.depth}|dense parts`, () => Uint32Array.of(p.left, 0, p.depth, 0));
  const packLeft: Call = {
    kernel: 'pack_a',
    job: {
      src: p.a, dst: p.left, rows: p.rows, depth: p.depth, rowStride: p.aStrides[0],
      colStride: p.aStrides[1], blockRows: kernel.rows,
    },
  };
  const product = productCall(ctx, {
    rows: p.rows, depth: p.depth, cols: p.cols, kernel, kBlock: p.depth, blockRows: kernel.rows, blocks, blockCols: 1, parts,
    operand: p.transB
      ? { pack: 'pack_columns', job: { src: p.b, stride: p.depth * 4 } }
      : { pack: 'pack_rows', job: { src: p.b, stride: p.cols * 4 } },
    place: { address: p.y, rowStride: p.cols * 4, colStride: 4 }, epilogue: { ...p.clamp },
  });
  return [packLeft, product];
}

/** A Gemm whose matrices are computed; scaled or biased ones are left to the host (exports of trained networks have neither). */
export const lowerGemm: Lower = (ctx, op) => {
  const kernel = ctx.backend.kernels.get(DENSE);
  if (!kernel || op.inputs[2] || num(op, 'alpha', 1) !== 1 || input(op, 0).type !== 'float32') return undefined;
  const transA = num(op, 'transA', 0) !== 0, transB = num(op, 'transB', 0) !== 0, a = input(op, 0).shape, b = input(op, 1).shape;
  const [rows, depth] = transA ? [a[1], a[0]] : a, cols = transB ? b[0] : b[1];
  if (rows * depth * cols === 0) return undefined;
  const build = (): Call[] => denseProduct(ctx, kernel, {
    rows, depth, cols, left: ctx.scratch(Math.ceil(rows / kernel.rows) * kernel.rows * depth * 4),
    a: ctx.address(op.node.inputs[0]), b: ctx.address(op.node.inputs[1]),
    y: ctx.address(op.node.outputs[0]), aStrides: transA ? [4, rows * 4] : [depth * 4, 4], transB, clamp: clampOf(op),
  });
  return { kernel: DENSE, build };
};
