import { numbersOf, Tensor, type Shape } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { convGeometry } from '../ops/window.ts';
import {
  addConstant, become, callOf, changeConstant, isClamped, ownProducer, passOf, replace, shapeOf, takeOver, trimmed, type Rule, type Scope,
} from './rewrite.ts';

// Per-channel scales and shifts (batch normalisation, or what is left of it) go into the weights beside them.

/** y = scale·x + shift, one number each for every channel. */
interface Affine { scale: Float64Array; shift: Float64Array }

const WEIGHTED: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Linear']);

/** Axis of the channels of what a node gives. */
const channelAxis = (node: Node, rank: number): number => (node.op === 'Linear' ? rank - 1 : 1);

/** γ/√(σ² + ε) and β − μ·γ/√(σ² + ε); undefined where a statistic is not known. */
function normalization(scope: Scope, node: Node): Affine | undefined {
  const tensors = node.inputs.slice(1).map((name) => scope.constants.get(name));
  if (tensors.some((tensor) => !tensor)) return undefined;
  const [gamma, beta, mean, variance] = tensors.map((tensor) => numbersOf(tensor!));
  const epsilon = (node.attrs.epsilon as number | undefined) ?? 1e-5;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + epsilon));
  return scale.every(Number.isFinite) ? { scale, shift: scale.map((s, c) => beta[c] - mean[c] * s) } : undefined;
}

/** The numbers of a constant that broadcasts as one a channel along `axis` of `shape`. */
export function perChannel(tensor: Tensor | undefined, shape: Shape, axis: number): Float64Array | undefined {
  if (tensor?.type !== 'float32' || tensor.dims.length > shape.length) return undefined;
  const own = axis - (shape.length - tensor.dims.length), numbers = numbersOf(tensor);
  if (tensor.dims.some((dim, d) => dim !== 1 && (d !== own || dim !== shape[axis]))) return undefined;
  return Float64Array.from({ length: shape[axis] }, (_, c) => numbers[numbers.length === 1 ? 0 : c]);
}

const affines: Readonly<Record<string, (values: Float64Array, constantFirst: boolean) => Affine | undefined>> = {
  Mul: (values) => ({ scale: values, shift: new Float64Array(values.length) }),
  Add: (values) => ({ scale: new Float64Array(values.length).fill(1), shift: values }),
  Sub: (values, first) => ({
    scale: new Float64Array(values.length).fill(first ? -1 : 1), shift: first ? values : values.map((v) => -v),
  }),
  Div: (values, first) => (first ? undefined : { scale: values.map((v) => 1 / v), shift: new Float64Array(values.length) }),
};

/** What the weight of a node is multiplied with: the channel of each of its elements. */
function channelsOfWeight(node: Node, dims: Shape): (element: number) => number {
  if (node.op !== 'ConvTranspose') {
    const row = dims.slice(1).reduce((n, dim) => n * dim, 1);
    return (element) => Math.floor(element / row);
  }
  const [inputs, outputs] = dims;
  const window = dims.slice(2).reduce((n, dim) => n * dim, 1);
  const groups = (node.attrs.group as number | undefined) ?? 1;
  return (element) => {
    const o = Math.floor(element / window) % outputs, i = Math.floor(element / window / outputs);
    return Math.floor(i / (inputs / groups)) * outputs + o;
  };
}

/** Whether weight and bias are constants and nothing follows the sum. */
function canTake(scope: Scope, node: Node): boolean {
  const weight = scope.constants.get(node.inputs[1]), bias = node.inputs[2];
  return weight?.type === 'float32' && (!bias || scope.constants.has(bias)) && !node.inputs[3] && !isClamped(node.attrs);
}

function fold(scope: Scope, node: Node, next: Node, { scale, shift }: Affine): boolean {
  const [x, w, b] = node.inputs, weight = scope.constants.get(w)!, channelOf = channelsOfWeight(node, weight.dims);
  const old = b ? numbersOf(scope.constants.get(b)!) : undefined;
  // A weight that is zero stays zero, whatever the scale: masks survive.
  const values = (weight.data as Float32Array).map((v, i) => (v === 0 ? 0 : v * scale[channelOf(i)]));
  const bias = new Tensor('float32', Float32Array.from(scale, (s, c) => (old?.[c] ?? 0) * s + shift[c]), [scale.length]);
  const newWeight = changeConstant(scope, w, node, new Tensor('float32', values, weight.dims));
  const newBias = b ? changeConstant(scope, b, node, bias) : addConstant(scope, `${node.name}.bias`, bias);
  return takeOver(scope, node, next, { inputs: [x, newWeight, newBias] });
}

const normalizationAfter: Rule = (scope, node) => {
  const producer = ownProducer(scope, node, 0, WEIGHTED), affine = normalization(scope, node);
  const shape = scope.types.get(node.inputs[0])!.shape;
  if (!producer || !affine || !canTake(scope, producer) || channelAxis(producer, shape.length) !== 1) return false;
  return fold(scope, producer, node, affine);
};

/**
 * What an operator with a constant operand does to the other one, input `place`;
 * undefined where that is no scale and shift along `axis`.
 */
function arithmetic(scope: Scope, node: Node, place: number, axis: number): Affine | undefined {
  const shape = shapeOf(scope, node.inputs[place]);
  if (isClamped(node.attrs) || String(shape) !== String(shapeOf(scope, node.outputs[0]))) return undefined;
  const values = perChannel(scope.constants.get(node.inputs[1 - place]), shape, axis);
  const affine = values && affines[node.op](values, place === 1);
  return affine?.scale.every(Number.isFinite) ? affine : undefined;
}

const arithmeticAfter: Rule = (scope, node) => {
  for (const place of [0, 1]) {
    const producer = ownProducer(scope, node, place, WEIGHTED);
    if (!producer || !canTake(scope, producer)) continue;
    const affine = arithmetic(scope, node, place, channelAxis(producer, shapeOf(scope, node.inputs[place]).length));
    if (affine) return fold(scope, producer, node, affine);
  }
  return false;
};

const AFFINE: ReadonlySet<string> = new Set(Object.keys(affines));

/** Which input channel each element of a weight [O, I/group, …] is multiplied with. */
function inputsOfWeight(node: Node, dims: Shape): (element: number) => number {
  const window = dims.slice(2).reduce((n, dim) => n * dim, 1), perGroup = dims[0] / ((node.attrs.group as number | undefined) ?? 1);
  return (element) => Math.floor(element / window / dims[1] / perGroup) * dims[1] + (Math.floor(element / window) % dims[1]);
}

/** The scale and shift that make the input of a layer for it alone, and what they are applied to. */
function inFrontOf(scope: Scope, node: Node): { from: Node; x: string; affine: Affine } | undefined {
  const from = ownProducer(scope, node, 0, AFFINE);
  if (!from) return undefined;
  const axis = channelAxis(node, shapeOf(scope, node.inputs[0]).length);
  const [found] = [0, 1].flatMap((place) => {
    const affine = arithmetic(scope, from, place, axis);
    return affine ? [{ from, x: from.inputs[place], affine }] : [];
  });
  return found;
}

/**
 * W·(scale·x + shift) + b = (W·scale)·x + (b + Σ W·shift). Padding comes after the shift, so that a shift only goes through a
 * layer without.
 */
const arithmeticBefore: Rule = (scope, node) => {
  const [, w, b, residual] = node.inputs, weight = scope.constants.get(w), found = inFrontOf(scope, node);
  if (!found || weight?.type !== 'float32' || (b && !scope.constants.has(b))) return false;
  const { scale, shift } = found.affine, shifts = shift.some((v) => v !== 0);
  if (shifts && node.op === 'Conv' && convGeometry(callOf(scope, node)).pads.some((pad) => pad > 0)) return false;
  const inputOf = inputsOfWeight(node, weight.dims), data = weight.data as Float32Array, row = data.length / weight.dims[0];
  const sums = Float64Array.from(b ? numbersOf(scope.constants.get(b)!) : new Float64Array(weight.dims[0]));
  data.forEach((v, i) => { sums[Math.floor(i / row)] += v * shift[inputOf(i)]; });
  const scaled = new Tensor('float32', data.map((v, i) => (v === 0 ? 0 : v * scale[inputOf(i)])), weight.dims);
  const bias = new Tensor('float32', Float32Array.from(sums), [sums.length]);
  const newBias = !shifts ? b : b ? changeConstant(scope, b, node, bias) : addConstant(scope, `${node.name}.bias`, bias);
  return become(scope, node, { inputs: trimmed([found.x, changeConstant(scope, w, node, scaled), newBias, residual]) }, [found.from]);
};

/** A normalisation with nothing to go into: a multiplication and an addition. */
const normalizationAlone: Rule = (scope, node) => {
  const affine = normalization(scope, node), { shape, type } = scope.types.get(node.inputs[0])!;
  if (!affine || type !== 'float32' || shape.length < 2) return false;
  const dims = [shape[1], ...shape.slice(2).map(() => 1)];
  const constant = (name: string, values: Float64Array): string =>
    addConstant(scope, `${node.name}.${name}`, new Tensor('float32', Float32Array.from(values), dims));
  const between = scope.fresh(`${node.name}/scaled`);
  replace(scope, node, [], [
    { name: between, op: 'Mul', inputs: [node.inputs[0], constant('scale', affine.scale)], outputs: [between], attrs: {} },
    { name: node.name, op: 'Add', inputs: [between, constant('shift', affine.shift)], outputs: [node.outputs[0]], attrs: {} },
  ], node.name);
  return true;
};

export const scales = passOf({
  BatchNormalization: [normalizationAfter, normalizationAlone],
  Mul: [arithmeticAfter], Add: [arithmeticAfter], Sub: [arithmeticAfter], Div: [arithmeticAfter],
  Conv: [arithmeticBefore], Linear: [arithmeticBefore],
});
