import { broadcastStrides, offsets } from '../../../graph/ops/elements.ts';
import { input, num } from '../../../graph/ops/op.ts';
import { sizeOf, type Shape } from '../../../tensor.ts';
import { clampOf } from '../../lower/conv.ts';
import { binaryDispatch, walkable } from './elementwise.ts';
import { lone, type Dispatch, type Lower, type Operation, type Place } from './lower.ts';

// Products of matrices neither of which is known before the run.

/** Sizes, strides of a row and a column of both, and where the matrices of each product start. */
interface Product {
  readonly rows: number;
  readonly cols: number;
  readonly depth: number;
  readonly a: readonly [row: number, col: number];
  readonly b: readonly [row: number, col: number];
  readonly starts: readonly (readonly [number, number])[];
  readonly scale?: number;
}

const TILE = 4;

function productDispatch(place: Place, op: Operation, p: Product, c: GPUBufferBinding): Dispatch[] {
  const batch = p.starts.length, { inputs } = op.node;
  const job = {
    rows: p.rows, cols: p.cols, depth: p.depth, batch, a_row: p.a[0], a_col: p.a[1], b_row: p.b[0], b_col: p.b[1], scale: p.scale ?? 1,
  };
  const starts = place.upload(`starts|${p.starts.join()}`, () => Uint32Array.from(p.starts.flat()));
  const invocations = batch * Math.ceil(p.rows / TILE) * Math.ceil(p.cols / TILE);
  return lone(place, { shader: 'f32_multiply', job, operands: [starts, place.value(inputs[0]), place.value(inputs[1]), c], invocations });
}

const floats = (op: Operation): boolean => op.inputs.every((arg) => !arg || arg.type === 'float32');

/** numpy.matmul: a vector is a row on the left and a column on the right, leading dimensions broadcast. */
export const lowerMatMul: Lower = (query, op) => {
  if (!floats(op)) return undefined;
  const [left, right] = [input(op, 0).shape, input(op, 1).shape];
  const a = left.length === 1 ? [1, ...left] : left, b = right.length === 1 ? [...right, 1] : right;
  const [rows, depth] = a.slice(-2), cols = b[b.length - 1], out = query.typed(op.node.outputs[0]).shape;
  const batch: Shape = out.slice(0, out.length - (left.length > 1 ? 1 : 0) - (right.length > 1 ? 1 : 0));
  const startsOf = (own: Shape, size: number): number[] =>
    Array.from(offsets(batch, broadcastStrides(own.slice(0, -2), batch)), (place) => place * size);
  const [as, bs] = [startsOf(a, rows * depth), startsOf(b, depth * cols)];
  const product = { rows, depth, cols, a: [depth, 1], b: [cols, 1], starts: as.map((start, i) => [start, bs[i]] as const) } as const;
  return { kernel: 'f32_multiply', build: (place) => productDispatch(place, op, product, place.value(op.node.outputs[0])) };
};

/** alpha·A'·B' + beta·C: the sum is another dispatch. */
export const lowerGemm: Lower = (query, op) => {
  const addend = op.inputs[2], beta = num(op, 'beta', 1), out = query.typed(op.node.outputs[0]).shape;
  if (!floats(op) || (addend && (beta !== 1 || !walkable(out, [out, addend.shape])))) return undefined;
  const transA = num(op, 'transA', 0) !== 0, transB = num(op, 'transB', 0) !== 0, [rows, cols] = out;
  const depth = input(op, 0).shape[transA ? 0 : 1];
  const product: Product = {
    rows, cols, depth, a: transA ? [1, rows] : [depth, 1], b: transB ? [1, depth] : [cols, 1], starts: [[0, 0]],
    scale: num(op, 'alpha', 1),
  };
  const build = (place: Place): Dispatch[] => {
    const y = place.value(op.node.outputs[0]);
    if (!addend) return productDispatch(place, op, product, y);
    const sum = [{ binding: place.scratch[0], shape: out }, { binding: place.value(op.node.inputs[2]), shape: addend.shape }] as const;
    return [...productDispatch(place, op, product, place.scratch[0]), ...binaryDispatch(place, 'add', sum, { y, out, ...clampOf(op) })];
  };
  return { kernel: 'f32_multiply', scratch: addend ? [sizeOf(out) * 4] : [], build };
};
