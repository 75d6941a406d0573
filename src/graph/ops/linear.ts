import { expect } from '../../expect.ts';
import { numbersOf, sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { checkResidual, finish } from './conv.ts';
import { broadcast, broadcastStrides, offsets, result, spread } from './elements.ts';
import { at, data, input, num, type Call, type Op, type Work } from './op.ts';
import type { Typed } from '../graph.ts';

type Numbers = ArrayLike<number>;

/** Aᵀ of the rows × cols matrix that starts at `start`. */
function flip(a: Numbers, start: number, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = a[start + r * cols + c];
  return out;
}

/** Sizes of a product, and where its matrices start. */
interface Product { m: number; n: number; k: number; atC: number; atA: number; atB: number }

/** c[M×N] += a[M×K]·b[N×K]ᵀ, every matrix row-major from its own start. */
function addProduct(c: Float64Array, a: Numbers, b: Numbers, size: Product): void {
  const { m, n, k, atC, atA, atB } = size;
  for (let r = 0; r < m; r++) {
    for (let o = 0; o < n; o++) {
      let sum = 0;
      for (let i = 0, p = atA + r * k, q = atB + o * k; i < k; i++) sum += a[p + i] * b[q + i];
      c[atC + r * n + o] += sum;
    }
  }
}

function needInner(call: Call, a: number, b: number): void {
  expect(a === b, { kind: 'shape', where: at(call), needs: 'equal inner dimensions', got: `${a} and ${b}` });
}

function needRank(call: Call, i: number, rank: number): Shape {
  const { shape } = input(call, i);
  expect(shape.length === rank, { kind: 'shape', where: at(call), needs: `input ${i} of rank ${rank}`, got: `[${shape}]` });
  return shape;
}

function gemmSizes(call: Call) {
  const [transA, transB] = [num(call, 'transA', 0) !== 0, num(call, 'transB', 0) !== 0];
  const [a, b] = [needRank(call, 0, 2), needRank(call, 1, 2)];
  const [m, k] = transA ? [a[1], a[0]] : a;
  const [n, inner] = transB ? b : [b[1], b[0]];
  needInner(call, k, inner);
  if (call.inputs[2]) {
    const joint = broadcast(call, [[m, n], input(call, 2).shape]);
    expect(joint.join() === `${m},${n}`, {
      kind: 'shape', where: at(call), needs: `input 2 to broadcast to [${m}, ${n}]`, got: `[${input(call, 2).shape}]`,
    });
  }
  return { m, n, k, transA, transB };
}

/** alpha·A'·B' + beta·C. */
function runGemm(call: Call): Tensor[] {
  const { m, n, k, transA, transB } = gemmSizes(call);
  const [a, b] = [numbersOf(data(call, 0)), numbersOf(data(call, 1))];
  const sums = new Float64Array(m * n);
  addProduct(sums, transA ? flip(a, 0, k, m) : a, transB ? b : flip(b, 0, k, n), { m, n, k, atC: 0, atA: 0, atB: 0 });
  const [alpha, beta] = [num(call, 'alpha', 1), num(call, 'beta', 1)];
  const added = call.inputs[2] && spread(data(call, 2), [m, n]);
  for (let i = 0; i < sums.length; i++) sums[i] = alpha * sums[i] + (added ? beta * added[i] : 0);
  return [result(input(call, 0).type, [m, n], sums)];
}

/** numpy.matmul: one-dimensional operands are a row and a column, leading dimensions broadcast. */
function matMulSizes(call: Call) {
  const [a, b] = [input(call, 0).shape, input(call, 1).shape];
  expect(a.length > 0 && b.length > 0, { kind: 'shape', where: at(call), needs: 'operands of rank 1 or more', got: `[${a}] and [${b}]` });
  const [m, k] = a.length === 1 ? [1, a[0]] : a.slice(-2);
  const [inner, n] = b.length === 1 ? [b[0], 1] : b.slice(-2);
  needInner(call, k, inner);
  const batches = [a.slice(0, -2), b.slice(0, -2)] as const;
  const batch = broadcast(call, batches);
  const shape = [...batch, ...(a.length === 1 ? [] : [m]), ...(b.length === 1 ? [] : [n])];
  return { m, n, k, batch, batches, shape };
}

function runMatMul(call: Call): Tensor[] {
  const { m, n, k, batch, batches, shape } = matMulSizes(call);
  const [a, b] = [numbersOf(data(call, 0)), numbersOf(data(call, 1))];
  const [fromA, fromB] = batches.map((own) => offsets(batch, broadcastStrides(own, batch)));
  const sums = new Float64Array(sizeOf(shape));
  for (let i = 0; i < fromA.length; i++) {
    addProduct(sums, a, flip(b, fromB[i] * k * n, k, n), { m, n, k, atC: i * m * n, atA: fromA[i] * m * k, atB: 0 });
  }
  return [result(input(call, 0).type, shape, sums)];
}

/** x[…, K], w[O, K], bias[O]?, residual[…, O]? → [..., O]. */
function inferLinear(call: Call): Typed[] {
  const { type, shape } = input(call, 0);
  const [n, k] = needRank(call, 1, 2);
  expect(shape.length > 0, { kind: 'shape', where: at(call), needs: 'an input of rank 1 or more', got: '[]' });
  needInner(call, shape[shape.length - 1], k);
  const bias = call.inputs[2]?.shape;
  expect(!bias || (bias.length === 1 && bias[0] === n), { kind: 'shape', where: at(call), needs: `a bias of [${n}]`, got: `[${bias}]` });
  const out = [...shape.slice(0, -1), n];
  checkResidual(call, out);
  return [{ type, shape: out }];
}

function runLinear(call: Call): Tensor[] {
  const [{ type, shape }] = inferLinear(call);
  const [n, k] = input(call, 1).shape;
  const sums = new Float64Array(sizeOf(shape));
  if (call.inputs[2]) sums.set(spread(data(call, 2), shape));
  const m = sizeOf(shape.slice(0, -1));
  addProduct(sums, numbersOf(data(call, 0)), numbersOf(data(call, 1)), { m, n, k, atC: 0, atA: 0, atB: 0 });
  return [result(type, shape, finish(call, sums))];
}

/** Nothing of a matrix product lies on padding; the bias counts one a result. */
function workOf(call: Call, outputs: number, k: number): Work {
  const macs = outputs * k;
  return { macs, inBounds: macs, ptflops: macs + (call.inputs[2] ? outputs : 0) };
}

export const linear = {
  Gemm: {
    inputs: [2, 3],
    infer: (call) => {
      const { m, n } = gemmSizes(call);
      return [{ type: input(call, 0).type, shape: [m, n] }];
    },
    run: runGemm,
    work: (call) => {
      const { m, n, k } = gemmSizes(call);
      return workOf(call, m * n, k);
    },
  },
  MatMul: {
    inputs: [2, 2],
    infer: (call) => [{ type: input(call, 0).type, shape: matMulSizes(call).shape }],
    run: runMatMul,
    work: (call) => {
      const { shape, k } = matMulSizes(call);
      return workOf(call, sizeOf(shape), k);
    },
  },
  Linear: {
    inputs: [2, 4],
    infer: inferLinear,
    run: runLinear,
    work: (call) => workOf(call, sizeOf(inferLinear(call)[0].shape), input(call, 1).shape[1]),
  },
} satisfies Record<string, Op>;
