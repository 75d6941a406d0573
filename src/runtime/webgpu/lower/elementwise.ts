import { broadcastStrides } from '../../../graph/ops/elements.ts';
import { input, num, numbers, text } from '../../../graph/ops/op.ts';
import type { Shape } from '../../../tensor.ts';
import { clampOf } from '../../lower/conv.ts';
import { fieldsOf, joinAxes, padAxes } from '../../lower/pointwise.ts';
import { inOut, lone, outSize, type Dispatch, type Lower, type Operation, type Place } from './lower.ts';

/** Parameters p and q of a function of one operand. */
type Parameters = (op: Operation) => readonly [number, number];
const none: Parameters = () => [0, 0];

const unaries: Readonly<Record<string, readonly [shader: string, parameters: Parameters]>> = {
  LeakyRelu: ['f32_leaky', (op) => [num(op, 'alpha', 0.01), 0]],
  ThresholdedRelu: ['f32_thresholded', (op) => [num(op, 'alpha', 1), 0]],
  Elu: ['f32_elu', (op) => [num(op, 'alpha', 1), 0]],
  Celu: ['f32_celu', (op) => [num(op, 'alpha', 1), 0]],
  Selu: ['f32_selu', (op) => [num(op, 'alpha', 1.67326319217681884765625), num(op, 'gamma', 1.05070102214813232421875)]],
  HardSigmoid: ['f32_hardsigmoid', (op) => [num(op, 'alpha', 0.2), num(op, 'beta', 0.5)]],
  Swish: ['f32_swish', (op) => [num(op, 'alpha', 1), 0]],
  Clip: ['f32_clip', (op) => [numbers(op, 1)?.[0] ?? -Infinity, numbers(op, 2)?.[0] ?? Infinity]],
  ...Object.fromEntries([
    'Relu', 'Sigmoid', 'HardSwish', 'Mish', 'Softplus', 'Softsign', 'Tanh', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Neg', 'Abs', 'Sign',
    'Floor', 'Ceil', 'Round', 'Erf', 'Sin', 'Cos', 'Tan', 'Asin', 'Acos', 'Atan', 'Sinh', 'Cosh', 'Asinh', 'Acosh', 'Atanh',
  ].map((name) => [name, [`f32_${name.toLowerCase()}`, none]])),
};

const lowerUnary = (shader: string, parameters: Parameters = none): Lower => (query, op) => {
  if (input(op, 0).type !== 'float32' || op.inputs.slice(1).some((arg) => arg && !arg.value)) return undefined;
  const [p, q] = parameters(op), length = outSize(query, op);
  return {
    kernel: shader,
    build: (place) => lone(query, { shader, job: { length, p, q }, operands: inOut(place, op), invocations: length }),
  };
};

const lowerGelu: Lower = (query, op) =>
  lowerUnary(text(op, 'approximate', 'none') === 'tanh' ? 'f32_gelu_tanh' : 'f32_gelu')(query, op);

/** Axes a walk's shaders are made for. */
const ranks = [1, 2, 4, 6] as const;
/** The axes of the smallest shader that walks `count` of them. */
export const rankFor = (count: number): number | undefined => ranks.find((rank) => rank >= count);

/** One array against another: where it lies and its shape. */
export interface Broadcast { binding: GPUBufferBinding; shape: Shape }
export interface Bounds { min: number; max: number }

/** Whether two arrays of these shapes have few enough axes once those that are walked alike are joined. */
export function walkable(out: Shape, shapes: readonly Shape[]): boolean {
  return shapes.slice(1).every((own) => joined(out, shapes[0], own) !== undefined);
}

function joined(out: Shape, a: Shape, b: Shape) {
  const { shape, strides } = joinAxes(out, [broadcastStrides(a, out), broadcastStrides(b, out)]), rank = rankFor(shape.length);
  return rank === undefined ? undefined : { rank, shape, strides };
}

/** y = a ∘ b over the shape `out`. */
export function binaryDispatch(
  place: Place, formula: string, [a, b]: readonly [Broadcast, Broadcast],
  { y, out, min, max }: Bounds & { y: GPUBufferBinding; out: Shape },
): Dispatch[] {
  const { rank, shape, strides } = joined(out, a.shape, b.shape)!, length = out.reduce((size, dim) => size * dim, 1);
  const job = {
    length, lo: min, hi: max, ...fieldsOf('n', padAxes(shape, rank, 1), 1),
    ...fieldsOf('a', padAxes(strides[0], rank, 0), 1), ...fieldsOf('b', padAxes(strides[1], rank, 0), 1),
  };
  return lone(place, { shader: `f32_${formula}_${rank}d`, job, operands: [a.binding, b.binding, y], invocations: length });
}

const free: Bounds = { min: -Infinity, max: Infinity };

/**
 * A fold over several operands, one after the other: sums so far lie in the output and in a scratch buffer in turn, for no dispatch
 * may write what it reads. A mean ends with a product.
 */
const lowerFold = (formula: string, mean = false): Lower => (query, op) => {
  const out = query.typed(op.node.outputs[0]).shape, shapes = op.inputs.map((_, i) => input(op, i).shape);
  if (op.inputs.some((arg) => arg?.type !== 'float32') || op.inputs.length < 2) return undefined;
  if (!walkable(out, [shapes[0], ...shapes.slice(1)]) || !walkable(out, [out, ...shapes.slice(1)])) return undefined;
  const steps = op.inputs.length - 1 + (mean ? 1 : 0), { inputs, outputs } = op.node;
  const build = (place: Place): Dispatch[] => {
    const y = place.value(outputs[0]), at = (step: number): GPUBufferBinding => ((steps - step) % 2 ? y : place.scratch[0]);
    return Array.from({ length: steps }).flatMap((_, i) => {
      const left = i === 0 ? { binding: place.value(inputs[0]), shape: shapes[0] } : { binding: at(i - 1), shape: out };
      const last = mean && i === steps - 1;
      const right = last
        ? { binding: place.upload(`1/${inputs.length}`, () => Float32Array.of(1 / inputs.length)), shape: [] }
        : { binding: place.value(inputs[i + 1]), shape: shapes[i + 1] };
      const bounds = i === steps - 1 ? clampOf(op) : free;
      return binaryDispatch(place, last ? 'mul' : formula, [left, right], { y: at(i), out, ...bounds });
    });
  };
  const scratch = steps > 1 ? [outSize(query, op) * 4] : [];
  return { kernel: `f32_${formula}`, scratch, build };
};

const binaries: Readonly<Record<string, string>> = {
  Add: 'add', Sub: 'sub', Mul: 'mul', Div: 'div', Pow: 'pow', PRelu: 'prelu', Min: 'min', Max: 'max', Sum: 'add',
};

export const elementwise: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(Object.entries(unaries).map(([name, row]) => [name, lowerUnary(...row)])),
  ...Object.fromEntries(Object.entries(binaries).map(([name, formula]) => [name, lowerFold(formula)])),
  Gelu: lowerGelu,
  Mean: lowerFold('add', true),
  Mod: (query, op) => lowerFold(num(op, 'fmod', 0) ? 'fmod' : 'mod')(query, op),
};
