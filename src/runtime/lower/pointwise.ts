import { input, num, numbers, type Call as Operation } from '../../graph/ops/op.ts';
import { broadcastStrides } from '../../graph/ops/elements.ts';
import { sizeOf, type Shape } from '../../tensor.ts';
import { clampOf } from './conv.ts';
import type { Context } from './context.ts';
import type { Lower } from './lower.ts';

/** Parameters a and b of a function of one operand. */
type Parameters = (op: Operation) => readonly [number, number];
const none: Parameters = () => [0, 0];

const unaries: Readonly<Record<string, readonly [kernel: string, parameters: Parameters]>> = {
  Relu: ['f32_clamp', () => [0, Infinity]],
  Clip: ['f32_clamp', (op) => [numbers(op, 1)?.[0] ?? -Infinity, numbers(op, 2)?.[0] ?? Infinity]],
  LeakyRelu: ['f32_leaky', (op) => [num(op, 'alpha', 0.01), 0]],
  HardSigmoid: ['f32_hardsigmoid', (op) => [num(op, 'alpha', 0.2), num(op, 'beta', 0.5)]],
  HardSwish: ['f32_hardswish', () => [1 / 6, 0.5]],
  Sigmoid: ['f32_sigmoid', none],
  Swish: ['f32_swish', (op) => [num(op, 'alpha', 1), 0]],
  Tanh: ['f32_tanh', none],
  Exp: ['f32_exp', none],
  Erf: ['f32_erf', none],
  Sqrt: ['f32_sqrt', none],
  Reciprocal: ['f32_reciprocal', none],
  Abs: ['f32_abs', none],
  Neg: ['f32_neg', none],
};

const lowerUnary = ([kernel, parameters]: (typeof unaries)[string]): Lower => (ctx, op) => {
  if (input(op, 0).type !== 'float32' || op.inputs.slice(1).some((arg) => arg && !arg.value)) return undefined;
  const [a, b] = parameters(op), length = sizeOf(input(op, 0).shape);
  return {
    kernel,
    build: () => [{ kernel, job: { x: ctx.address(op.node.inputs[0]), y: ctx.address(op.node.outputs[0]), length, a, b } }],
  };
};

const binaries: Readonly<Record<string, string>> = {
  Add: 'f32_add', Sub: 'f32_sub', Mul: 'f32_mul', Div: 'f32_div', Min: 'f32_min', Max: 'f32_max', PRelu: 'f32_prelu', Sum: 'f32_add',
};

/** Kernels whose operands may change places: the one that is repeated goes second. */
const commutative: ReadonlySet<string> = new Set(['f32_add', 'f32_mul', 'f32_min', 'f32_max']);

/** Dimensions with a stride for each array, neighbours joined where every array steps through them as through one. */
export function joinAxes(shape: Shape, strides: readonly (readonly number[])[]): { shape: number[]; strides: number[][] } {
  const joined: number[] = [], steps: number[][] = strides.map(() => []);
  shape.forEach((length, d) => {
    if (length === 1) return;
    const last = joined.length - 1;
    const continues = last >= 0 && strides.every((own, a) => steps[a][last] === own[d] * length);
    if (continues) joined[last] *= length;
    else joined.push(length);
    steps.forEach((own, a) => { own[joined.length - 1] = strides[a][d]; });
  });
  return { shape: joined, strides: steps };
}

/** Pads a list of axes in front to exactly `rank`. */
export function padAxes(list: readonly number[], rank: number, value: number): number[] {
  return [...new Array<number>(rank - list.length).fill(value), ...list];
}

/** Fields `prefix0…` in bytes. */
export function fieldsOf(prefix: string, values: readonly number[], unit: number): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}${i}`, value * unit]));
}

const RANK = 4;

const lowerBinary = (kernel: string): Lower => (ctx: Context, op) => {
  if (op.inputs.length !== 2 || op.inputs.some((arg) => arg?.type !== 'float32')) return undefined;
  const out = ctx.typed(op.node.outputs[0]).shape;
  // A slope of PRelu broadcasts one way only, which numpy's rule covers.
  const { shape, strides } = joinAxes(out, [0, 1].map((i) => broadcastStrides(input(op, i).shape, out)));
  if (shape.length > RANK) return undefined;
  const [first, second] = commutative.has(kernel) && strides[0].at(-1) === 0 ? [1, 0] : [0, 1], { inputs, outputs } = op.node;
  const job = () => ({
    a: ctx.address(inputs[first]), b: ctx.address(inputs[second]), y: ctx.address(outputs[0]), ...fieldsOf('n', padAxes(shape, RANK, 1), 1),
    ...fieldsOf('a', padAxes(strides[first], RANK, 0), 4), ...fieldsOf('b', padAxes(strides[second], RANK, 0), 4), ...clampOf(op),
  });
  return { kernel, build: () => [{ kernel, job: job() }] };
};

export const pointwise: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(Object.entries(unaries).map(([name, row]) => [name, lowerUnary(row)])),
  ...Object.fromEntries(Object.entries(binaries).map(([name, kernel]) => [name, lowerBinary(kernel)])),
};
