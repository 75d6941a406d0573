import { storage } from '../../../backends/webgpu/buffers.ts';
import { candidates, takesVectors, wholeOf } from '../../../backends/webgpu/candidates.ts';
import { mostBound } from '../../../backends/webgpu/guard.ts';
import { productDispatches } from '../../../backends/webgpu/layers.ts';
import { convProblem, linearProblem, productProblem, tapsOf, type Problem } from '../../../backends/webgpu/problem.ts';
import { pieceBytes } from '../../../backends/webgpu/split.ts';
import type { HoldOptions } from '../../../backends/webgpu/weight.ts';
import type { Matrix } from '../../../formats/index.ts';
import { input } from '../../../graph/ops/op.ts';
import { convGeometry, convTransposeGeometry } from '../../../graph/ops/window.ts';
import { sizeOf } from '../../../tensor.ts';
import { clampOf, convWeight, everyGroup, transposedWeight } from '../../lower/conv.ts';
import { holdParts, type Part } from './parts.ts';
import { lowerDepthwise, windowJob } from './window.ts';
import {
  lone, outSize, type Dispatch, type Lower, type Lowered, type Operation, type Place, type Storage, type Ways, type Weighted,
} from './lower.ts';

// Layers that multiply with a constant weight: convolutions and linear layers.

/** A layer as a product. */
interface Product {
  readonly matrix: () => Matrix;
  readonly columns: number;
  readonly held: HoldOptions;
  readonly problem: Problem;
  /** What makes the output of the product, which then goes to scratch memory. */
  readonly after?: (place: Place) => readonly Dispatch[];
}

const product = (op: Operation, { matrix, columns, held, problem, after }: Product): Weighted => ({
  matrix, columns, groups: held.groups ?? 1, inFours: takesVectors(problem),
  async ways(place: Place, storage: Storage): Promise<Ways> {
    const { parts, release } = await holdParts(place, op, { matrix, held }, storage);
    const { inputs, outputs } = op.node, { device } = place.guard;
    const c = after ? place.scratch[0] : place.value(outputs[0]), b = place.value(inputs[0]);
    const residual = !after && op.inputs[3] ? place.value(inputs[3]) : undefined, bounds = after ? {} : clampOf(op);
    const splits = ({ held: part }: Part): boolean => part.split !== undefined && pieceBytes(part, problem) <= mostBound(place.limits);
    const shaders = candidates((parts.find(splits) ?? parts[0]).held, problem, device);
    const bytes = parts.filter(splits).map((part) => pieceBytes(part.held, problem));
    const room = await roomFor(place, op, Math.max(0, ...bytes)).catch((error) => {
      release();
      throw error;
    });
    const whole = (shader: string): Dispatch[] => parts.flatMap((part) => productDispatches(device, part.held, problem, {
      b, c: below(c, part.from * problem.c.row), ...(residual && { residual: below(residual, part.from * problem.c.row) }), ...bounds,
      ...room?.bound, shader: splits(part) ? shader : wholeOf(shader),
    }));
    return {
      shaders,
      dispatches: (shader) => (columns ? [...whole(shader), ...(after?.(place) ?? [])] : []),
      settle(shader) {
        if (wholeOf(shader) === shader) room?.dispose();
      },
      dispose() {
        room?.dispose();
        release();
      },
    };
  },
});

/** A binding from an element on. */
function below({ buffer, offset = 0, size }: GPUBufferBinding, element: number): GPUBufferBinding {
  return { buffer, offset: offset + element * 4, ...(size !== undefined && { size: size - element * 4 }) };
}

/** A buffer for sums of pieces, counted; parts of a weight use it one after the other. */
async function roomFor(
  { guard, count }: Place, op: Operation, bytes: number,
): Promise<{ bound: { pieces: GPUBufferBinding }; dispose: () => void } | undefined> {
  if (bytes === 0) return undefined;
  const where = `node '${op.node.name}': sums of pieces`, buffer = await guard.run(where, () => storage(guard.device, where, bytes));
  const uncount = count(buffer.size);
  const dispose = (): void => {
    uncount();
    buffer.destroy();
  };
  return { bound: { pieces: { buffer } }, dispose };
}

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
  const [rows, cols] = input(op, 1).shape, columns = sizeOf(input(op, 0).shape) / cols;
  const matrix = { rows, cols, values: constants.weights };
  return lowered(product(op, {
    matrix: () => matrix, columns, held: { bias: constants.bias }, problem: linearProblem({ rows, packed: { cols } }, columns),
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
  return lowered(product(op, { matrix, columns: w.batch * sizeOf(w.out), held, problem }));
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
    matrix, columns: w.batch * columns, held: { groups: w.group, rows }, after,
    problem: productProblem({ rows, packed: { cols: inputs } }, columns, w.batch),
  });
  return { ...lowered(weight), scratch: [w.batch * w.filters * taps * columns * 4] };
};

export const weighted: Readonly<Record<string, Lower>> = { Conv: lowerConv, ConvTranspose: lowerConvTranspose, Linear: lowerLinear };
