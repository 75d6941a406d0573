import { candidates } from '../../../backends/webgpu/candidates.ts';
import { productDispatch } from '../../../backends/webgpu/layers.ts';
import { convProblem, linearProblem, productProblem, tapsOf, type Problem } from '../../../backends/webgpu/problem.ts';
import type { Lease } from '../../../backends/webgpu/shared.ts';
import { hold, packGroups, release, type Held, type HoldOptions } from '../../../backends/webgpu/weight.ts';
import type { Matrix } from '../../../formats/index.ts';
import { input } from '../../../graph/ops/op.ts';
import { convGeometry, convTransposeGeometry } from '../../../graph/ops/window.ts';
import { sizeOf } from '../../../tensor.ts';
import { clampOf, convWeight, everyGroup, transposedWeight } from '../../lower/conv.ts';
import { lowerDepthwise, windowJob } from './window.ts';
import {
  lone, outSize, type Dispatch, type Lower, type Lowered, type Operation, type Place, type Storage, type Ways, type Weighted,
} from './lower.ts';

// Layers that multiply with a constant weight: convolutions and linear layers.

/** Columns of a weight in one part, at most: indices have 16 bits, and whole blocks and windows of N:M must fit. */
const PART = 32768;

/** A layer as a product. */
interface Product {
  readonly matrix: () => Matrix;
  readonly columns: number;
  readonly held: HoldOptions;
  readonly problemOf: (held: Held) => Problem;
  /** What makes the output of the product, which then goes to scratch memory. */
  readonly after?: (place: Place) => readonly Dispatch[];
}

const product = (op: Operation, { matrix, columns, held: options, problemOf, after }: Product): Weighted => ({
  matrix, columns,
  async ways(place: Place, storage: Storage): Promise<Ways> {
    const lease = weightOn(place, op, { matrix, held: options }, storage);
    const held = await lease.made.coming.catch((error: unknown) => {
      lease.release();
      throw error;
    });
    const { inputs, outputs } = op.node, problem = problemOf(held);
    const operands = after ? { b: place.value(inputs[0]), c: place.scratch[0] } : {
      b: place.value(inputs[0]), c: place.value(outputs[0]), ...(op.inputs[3] && { residual: place.value(inputs[3]) }), ...clampOf(op),
    };
    const whole = (shader: string): Dispatch[] =>
      [productDispatch(place.guard.device, held, problem, { ...operands, shader }), ...(after?.(place) ?? [])];
    return {
      shaders: candidates(held, problem),
      dispatches: (shader) => (columns ? whole(shader) : []),
      dispose: lease.release,
    };
  },
});

/** A weight on the device; plans for other shapes have the same. */
function weightOn(
  place: Place, op: Operation, { matrix, held: options }: Pick<Product, 'matrix' | 'held'>, { format, block, lanes }: Storage,
): Lease<Coming> {
  const { groups = 1, rows = 0, bias, taps } = options, weights = op.inputs[1]!.value!, { rows: tall, cols: wide, keep, of } = block;
  async function come(): Promise<Held> {
    const packed = packGroups(format, matrix(), groups, { lanes, unit: 1, kBlock: PART }, block);
    const held = await hold(place.guard, packed, options, `node '${op.node.name}'`), uncount = place.count(held.bytes);
    made.free = () => {
      uncount();
      release(held.buffers);
    };
    return held;
  }
  const made = {} as Coming;
  const make = (): Coming => Object.assign(made, { coming: come() });
  // What is still coming is freed when it is there.
  const end = ({ coming, free }: Coming): void => (free ? free() : void coming.then(() => made.free?.(), () => {}));
  return place.share({
    // How the matrix follows from the weight, then how it is stored.
    key: [op.node.op, weights.dims, groups, rows, format, tall, wide, keep, of, lanes, bias ? 'biased' : ''].join('|'),
    data: [weights.data as Float32Array, ...(bias ? [bias] : []), ...(taps ? [taps] : [])], make, end,
  });
}

/** A weight on its way to the device, and what frees it once it is there. */
interface Coming { coming: Promise<Held>; free?: () => void }

/** The constant float32 weight, and bias, of a layer; undefined where one of them is computed or there is no weight in it. */
function constantsOf(op: Operation): { weights: Float32Array; bias?: Float32Array } | undefined {
  const [weights, bias] = [op.inputs[1]?.value, op.inputs[2]?.value];
  if (weights?.type !== 'float32' || weights.size === 0 || (op.inputs[2] && bias?.type !== 'float32')) return undefined;
  if (op.inputs.some((arg) => arg && arg.type !== 'float32')) return undefined;
  return { weights: weights.data as Float32Array, ...(bias && { bias: bias.data as Float32Array }) };
}

const lowered = (weight: Weighted): Lowered => ({ kernel: 'product', weight });

const lowerLinear: Lower = (_query, op) => {
  const constants = constantsOf(op);
  if (!constants) return undefined;
  const [rows, cols] = input(op, 1).shape, columns = sizeOf(input(op, 0).shape) / cols, values = constants.weights;
  return lowered(product(op, {
    matrix: () => ({ rows, cols, values }), columns, held: { bias: constants.bias }, problemOf: (held) => linearProblem(held, columns),
  }));
};

const lowerConv: Lower = (query, op) => {
  const constants = constantsOf(op);
  if (op.inputs.some((arg) => arg && arg.type !== 'float32')) return undefined;
  const w = convGeometry(op), taps = sizeOf(w.kernel), inputs = w.inputs / w.group, rows = w.filters / w.group;
  if (w.group > 1 && inputs === 1) return lowerDepthwise(query, op);
  if (!constants) return undefined;
  const weightOf = (group: number) => convWeight(op.node.inputs[1], constants.weights, { rows, inputs, taps, group });
  let made: Matrix | undefined;
  const matrix = (): Matrix => (made ??= everyGroup(w.group, weightOf).matrix()), problem = convProblem(w);
  const held = { bias: constants.bias, groups: w.group, rows, ...(problem.window && { taps: tapsOf(w) }) };
  return lowered(product(op, { matrix, columns: w.batch * sizeOf(w.out), held, problemOf: () => problem }));
};

/** y = col2im(Wᵀ·x): a product over the input channels, then each column is added where its taps fall. */
const lowerConvTranspose: Lower = (query, op) => {
  const constants = constantsOf(op);
  if (!constants) return undefined;
  const w = convTransposeGeometry(op), columns = sizeOf(w.in), taps = sizeOf(w.kernel), length = outSize(query, op);
  const inputs = w.inputs / w.group, rows = (w.filters / w.group) * taps, { min, max } = clampOf(op);
  const weightOf = (group: number) => transposedWeight(op.node.inputs[1], constants.weights, { inputs, rows, group });
  let made: Matrix | undefined;
  const matrix = (): Matrix => (made ??= everyGroup(w.group, weightOf).matrix());
  const job = { length, ...windowJob(w), filters: w.filters, has_bias: constants.bias ? 1 : 0, lo: min, hi: max };
  const after = (place: Place): Dispatch[] => {
    const bias = place.upload(`${op.node.name}|bias`, () => constants.bias ?? new Float32Array(4));
    const operands = [place.scratch[0], bias, place.value(op.node.outputs[0])];
    return lone(query, { shader: 'f32_scatter', job, operands, invocations: length });
  };
  const weight = product(op, {
    matrix, columns: w.batch * columns, held: { groups: w.group, rows }, after, problemOf: (held) => productProblem(held, columns, w.batch),
  });
  return { ...lowered(weight), scratch: [w.batch * w.filters * taps * columns * 4] };
};

export const weighted: Readonly<Record<string, Lower>> = { Conv: lowerConv, ConvTranspose: lowerConvTranspose, Linear: lowerLinear };
