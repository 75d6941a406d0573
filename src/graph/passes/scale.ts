import { numbersOf, Tensor, type Shape } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { addConstant, changeConstant, ownProducer, passOf, replace, takeOver, type Rule, type Scope } from './rewrite.ts';

// Per-channel scales and shifts (batch normalisation, or what is left of it) go into the weights before them.

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
function perChannel(tensor: Tensor | undefined, shape: Shape, axis: number): Float64Array | undefined {
  if (tensor?.type !== 'float32' || tensor.dims.length > shape.length) return undefined;
  const own = axis - (shape.length - tensor.dims.length), numbers = numbersOf(tensor);
  if (tensor.dims.some((dim, d) => dim !== 1 && (d !== own || dim !== shape[axis]))) return undefined;
  return Float64Array.from({ length: shape[axis] }, (_, c) => numbers[numbers.length === 1 ? 0 : c]);
}

const affines: Readonly<Record<string, (values: Float64Array, constantFirst: boolean) => Affine | undefined>> = {
  Mul: (values) => ({ scale: values, shift: new Float64Array(values.length) }),
  Add: (values) => ({ scale: new Float64Array(values.length).fill(1), shift: values }),
  Sub: (values, first) => ({ scale: new Float64Array(values.length).fill(first ? -1 : 1), shift: first ? values : values.map((v) => -v) }),
  Div: (values, first) => (first ? undefined : { scale: values.map((v) => 1 / v), shift: new Float64Array(values.length) }),
};

/** What the weight of a node is multiplied with: the channel of each of its elements. */
function channelsOfWeight(node: Node, dims: Shape): (element: number) => number {
  if (node.op !== 'ConvTranspose') {
    const row = dims.slice(1).reduce((n, dim) => n * dim, 1);
    return (element) => Math.floor(element / row);
  }
  const [inputs, outputs] = dims, window = dims.slice(2).reduce((n, dim) => n * dim, 1), groups = (node.attrs.group as number | undefined) ?? 1;
  return (element) => {
    const o = Math.floor(element / window) % outputs, i = Math.floor(element / window / outputs);
    return Math.floor(i / (inputs / groups)) * outputs + o;
  };
}

/** Whether weight and bias are constants and nothing follows the sum. */
function canTake(scope: Scope, node: Node): boolean {
  const weight = scope.constants.get(node.inputs[1]), bias = node.inputs[2];
  return weight?.type === 'float32' && (!bias || scope.constants.has(bias)) && !node.inputs[3] && node.attrs.min === undefined && node.attrs.max === undefined;
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

const arithmeticAfter: Rule = (scope, node) => {
  if (node.attrs.min !== undefined || node.attrs.max !== undefined) return false;
  for (const place of [0, 1]) {
    const producer = ownProducer(scope, node, place, WEIGHTED);
    if (!producer || !canTake(scope, producer)) continue;
    const shape = scope.types.get(node.inputs[place])!.shape;
    const values = perChannel(scope.constants.get(node.inputs[1 - place]), shape, channelAxis(producer, shape.length));
    const affine = values && affines[node.op](values, place === 1);
    if (affine && affine.scale.every(Number.isFinite) && String(shape) === String(scope.types.get(node.outputs[0])!.shape)) return fold(scope, producer, node, affine);
  }
  return false;
};

/** A normalisation with nothing to go into: a multiplication and an addition. */
const normalizationAlone: Rule = (scope, node) => {
  const affine = normalization(scope, node), { shape, type } = scope.types.get(node.inputs[0])!;
  if (!affine || type !== 'float32' || shape.length < 2) return false;
  const dims = [shape[1], ...shape.slice(2).map(() => 1)];
  const constant = (name: string, values: Float64Array): string => addConstant(scope, `${node.name}.${name}`, new Tensor('float32', Float32Array.from(values), dims));
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
});
