import { tileOf } from '../../../backends/webgpu/candidates.ts';
import { matmulOf, type MatMul } from '../../../backends/webgpu/layers.ts';
import { variants } from '../../../backends/webgpu/shaders.ts';
import { broadcastStrides, offsets } from '../../../graph/ops/elements.ts';
import { input, num } from '../../../graph/ops/op.ts';
import { sameShape, sizeOf, type Shape } from '../../../tensor.ts';
import { clampOf } from '../../lower/conv.ts';
import { binaryDispatch, walkable } from './elementwise.ts';
import { lone, type Dispatch, type Lower, type Lowered, type Operation, type Place, type Query } from './lower.ts';
import { copyDispatch } from './move.ts';

// Products of matrices neither of which is known before the run.

/** Sizes, strides of a row and a column of both, and where the matrices of each product start. */
interface Product {
  readonly rows: number;
  readonly cols: number;
  readonly depth: number;
  readonly a: readonly [row: number, col: number];
  readonly b: readonly [row: number, col: number];
  readonly starts: readonly (readonly [number, number])[];
  readonly scale: number;
}

/** A product's operands on the device. */
interface Operands { readonly a: GPUBufferBinding; readonly b: GPUBufferBinding; readonly c: GPUBufferBinding }

const TILE = 4;

/** Any strides and starts: an invocation computes a tile. */
function stridedDispatch(place: Place, p: Product, { a, b, c }: Operands): Dispatch[] {
  const batch = p.starts.length;
  const job = {
    rows: p.rows, cols: p.cols, depth: p.depth, batch, a_row: p.a[0], a_col: p.a[1], b_row: p.b[0], b_col: p.b[1], scale: p.scale,
  };
  const starts = place.upload(`starts|${p.starts.join()}`, () => Uint32Array.from(p.starts.flat()));
  const invocations = batch * Math.ceil(p.rows / TILE) * Math.ceil(p.cols / TILE);
  return lone(place, { shader: 'f32_multiply', job, operands: [starts, a, b, c], invocations });
}

/** Whether matrices follow each other, or are one and the same; undefined for anything else. */
function stepOf(starts: readonly number[], size: number): 'own' | 'same' | undefined {
  if (starts.every((start, i) => start === i * size)) return 'own';
  return starts.every((start) => start === 0) ? 'same' : undefined;
}

/** The product as the shaders for weights take it: rows of A contiguous, nothing in between, no scale. */
function plainOf({ rows: m, cols: n, depth: k, a, b, starts, scale }: Product): MatMul | undefined {
  const ofA = stepOf(starts.map(([start]) => start), m * k), ofB = stepOf(starts.map(([, start]) => start), k * n), images = starts.length;
  const plain = b[0] === n && b[1] === 1, transposed = !plain && b[0] === 1 && b[1] === k;
  if (scale !== 1 || a[0] !== k || a[1] !== 1 || !ofA || !ofB || !(plain || transposed)) return undefined;
  if (m * n * images === 0) return undefined;
  return { m, n, k, images, sameA: ofA === 'same', sameB: ofB === 'same', transposed };
}

/**
 * Whether a shader for weights is the better one. Those that walk take one row of A and four columns at a time, tiles of 4 × 4 read half
 * of that: they win only where there are no four rows or where most of a workgroup's columns are there (SwiftShader, 20 × 30 × 20: 0.37
 * against 0.89 ms; 64 × 64 × 64: 9.5 against 3.1 ms).
 */
function pays(shader: string, { m, n }: MatMul): boolean {
  const { kernel, sizes: { SPAN, SPANS } } = variants[shader], { columns } = tileOf(shader);
  return kernel !== 'spmm' || m < TILE || (SPAN * SPANS > 1 && Math.ceil(n / columns) * columns < 2 * n);
}

/** The shader of a product and how it runs. */
function productOf(query: Query, p: Product) {
  const plain = plainOf(p), matmul = plain && matmulOf(plain);
  if (!plain || !matmul || !pays(matmul.shader, plain)) {
    return { kernel: 'f32_multiply', run: (place: Place, operands: Operands) => stridedDispatch(place, p, operands) };
  }
  return {
    kernel: matmul.shader,
    run: (_place: Place, operands: Operands & { residual?: GPUBufferBinding }): Dispatch[] => matmul.dispatches(query, operands),
  };
}

const floats = (op: Operation): boolean => op.inputs.every((arg) => !arg || arg.type === 'float32');

/** numpy.matmul: a vector is a row on the left and a column on the right, leading dimensions broadcast. */
export const lowerMatMul: Lower = (query, op) => {
  if (!floats(op)) return undefined;
  const [left, right] = [input(op, 0).shape, input(op, 1).shape], [x, y] = op.node.inputs;
  const a = left.length === 1 ? [1, ...left] : left, b = right.length === 1 ? [...right, 1] : right;
  const [rows, depth] = a.slice(-2), cols = b[b.length - 1], out = query.typed(op.node.outputs[0]).shape;
  const batch: Shape = out.slice(0, out.length - (left.length > 1 ? 1 : 0) - (right.length > 1 ? 1 : 0));
  // One matrix for all is a factor of all rows at once.
  if (sizeOf(b.slice(0, -2)) === 1 && sizeOf(a.slice(0, -2)) === sizeOf(batch)) return lowered(query, op, [x, y], {
    rows: rows * sizeOf(batch), depth, cols, a: [depth, 1], b: [cols, 1], starts: [[0, 0]], scale: 1,
  });
  const startsOf = (own: Shape, size: number): number[] =>
    Array.from(offsets(batch, broadcastStrides(own.slice(0, -2), batch)), (place) => place * size);
  const [as, bs] = [startsOf(a, rows * depth), startsOf(b, depth * cols)];
  return lowered(query, op, [x, y], {
    rows, depth, cols, a: [depth, 1], b: [cols, 1], starts: as.map((start, i) => [start, bs[i]] as const), scale: 1,
  });
};

function lowered(query: Query, op: Operation, [a, b]: readonly [string, string] | readonly string[], product: Product): Lowered {
  const { kernel, run } = productOf(query, product), [c] = op.node.outputs;
  return { kernel, build: (place) => run(place, { a: place.value(a), b: place.value(b), c: place.value(c) }) };
}

/** The sum beta·C of a Gemm: fused where C lies as the result does, else another dispatch. */
const fused = (op: Operation, out: Shape): boolean => op.inputs[2] !== undefined && sameShape(op.inputs[2].shape, out);

/** alpha·A'·B' + beta·C. A transposed A is copied first, so that its rows are contiguous. */
export const lowerGemm: Lower = (query, op) => {
  const addend = op.inputs[2], beta = num(op, 'beta', 1), out = query.typed(op.node.outputs[0]).shape, [x, w, bias] = op.node.inputs;
  if (!floats(op) || (addend && (beta !== 1 || !walkable(out, [out, addend.shape])))) return undefined;
  const transA = num(op, 'transA', 0) !== 0, transB = num(op, 'transB', 0) !== 0, [rows, cols] = out;
  const depth = input(op, 0).shape[transA ? 0 : 1], b = transB ? [1, depth] as const : [cols, 1] as const;
  const straight: Product = { rows, cols, depth, a: [depth, 1], b, starts: [[0, 0]], scale: num(op, 'alpha', 1) };
  const turned = transA && productOf(query, straight).kernel !== 'f32_multiply';
  const { kernel, run } = productOf(query, transA && !turned ? { ...straight, a: [1, rows] } : straight);
  const inside = fused(op, out) && kernel !== 'f32_multiply', summed = addend && !inside;
  const scratch = [...(turned ? [rows * depth * 4] : []), ...(summed ? [sizeOf(out) * 4] : [])];
  const build = (place: Place): Dispatch[] => {
    const y = place.value(op.node.outputs[0]), c = summed ? place.scratch.at(-1)! : y, a = turned ? place.scratch[0] : place.value(x);
    const walks = [{ offset: 0, strides: [1, rows] }, { offset: 0, strides: [depth, 1] }] as const;
    const copies = turned ? copyDispatch(query, [rows, depth], walks, [place.value(x), a])! : [];
    const product = run(place, { a, b: place.value(w), c, ...(inside && { residual: place.value(bias) }) });
    if (!summed) return [...copies, ...product];
    const sum = [{ binding: c, shape: out }, { binding: place.value(bias), shape: addend.shape }] as const;
    return [...copies, ...product, ...binaryDispatch(place, 'add', sum, { y, out, ...clampOf(op) })];
  };
  return { kernel, scratch, build };
};
