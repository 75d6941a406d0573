import { Tensor } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { num } from '../ops/op.ts';
import { convGeometry } from '../ops/window.ts';
import {
  addConstant, callOf, changeConstant, isClamped, knownNumbers, ownProducer, passOf, replace, type Rule, type Scope, shapeOf, takeOver, trimmed,
} from './rewrite.ts';

/** x·scale + shift, one pair a channel. */
interface Affine { readonly x: string; readonly scale: readonly number[]; readonly shift: readonly number[] }

/** The constant `name` as one number for each place along `axis` of `shape`; undefined where it varies along another axis. */
function perChannel(scope: Scope, name: string, shape: readonly number[], axis: number): number[] | undefined {
  const tensor = scope.constants.get(name);
  const values = knownNumbers(scope, name);
  if (!tensor || !values || tensor.dims.length > shape.length) return undefined;
  const first = shape.length - tensor.dims.length;
  if (!tensor.dims.every((length, d) => length === 1 || (d + first === axis && length === shape[axis]))) return undefined;
  return Array.from({ length: shape[axis] }, (_, c) => values[values.length === 1 ? 0 : c]);
}

function ofBatchNormalization(scope: Scope, node: Node, axis: number): Affine | undefined {
  const [scale, bias, mean, variance] = node.inputs.slice(1).map((name) => knownNumbers(scope, name));
  if (axis !== 1 || !scale || !bias || !mean || !variance) return undefined;
  const epsilon = num(callOf(scope, node), 'epsilon', 1e-5);
  const factors = Array.from(scale, (s, c) => s / Math.sqrt(variance[c] + epsilon));
  return { x: node.inputs[0], scale: factors, shift: factors.map((factor, c) => bias[c] - mean[c] * factor) };
}

/** From one number a channel, and whether it stands first, to scale and shift. */
type FromOperand = (c: number, first: boolean) => readonly [scale: number, shift: number];

/** An operator of x and a constant operand; either may come first. */
const ofOperands = (pair: FromOperand) => (scope: Scope, node: Node, axis: number): Affine | undefined => {
  const shape = shapeOf(scope, node.outputs[0]);
  for (const i of [1, 0]) {
    const constants = isClamped(node.attrs) ? undefined : perChannel(scope, node.inputs[i], shape, axis);
    const pairs = constants?.map((c) => pair(c, i === 0));
    if (pairs && String(shapeOf(scope, node.inputs[1 - i])) === String(shape)) {
      return { x: node.inputs[1 - i], scale: pairs.map(([scale]) => scale), shift: pairs.map(([, shift]) => shift) };
    }
  }
  return undefined;
};

/** c/x is not affine: its scale is no number. */
const affines: Readonly<Record<string, (scope: Scope, node: Node, axis: number) => Affine | undefined>> = {
  BatchNormalization: ofBatchNormalization,
  Mul: ofOperands((c) => [c, 0]),
  Add: ofOperands((c) => [1, c]),
  Sub: ofOperands((c, first) => (first ? [-1, c] : [1, -c])),
  Div: ofOperands((c, first) => (first ? [NaN, 0] : [1 / c, 0])),
};

/** `node` as scale and shift along `axis`, where these are numbers a float32 holds. */
function affineOf(scope: Scope, node: Node, axis: number): Affine | undefined {
  if (scope.types.get(node.outputs[0])?.type !== 'float32') return undefined;
  const found = affines[node.op](scope, node, axis);
  return found && [...found.scale, ...found.shift].every((v) => Number.isFinite(Math.fround(v))) ? found : undefined;
}

/** A constant float32 weight and the rows and columns of `[O, I/group, …]` its elements belong to. */
interface Weight {
  readonly tensor: Tensor<Float32Array>;
  readonly filterOf: (place: number) => number;
  readonly inputOf: (place: number) => number;
}

function weightOf(scope: Scope, node: Node): Weight | undefined {
  const tensor = scope.constants.get(node.inputs[1]);
  if (!(tensor?.data instanceof Float32Array)) return undefined;
  const [rows, columns] = tensor.dims;
  const window = tensor.dims.slice(2).reduce((product, length) => product * length, 1);
  const perGroup = rows / num(callOf(scope, node), 'group', 1);
  const row = (place: number) => Math.floor(place / (columns * window));
  // Columns are counted within a group; the group is that of the row.
  const column = (place: number) => Math.floor(row(place) / perGroup) * columns + (Math.floor(place / window) % columns);
  const [filterOf, inputOf] = node.op === 'ConvTranspose' ? [column, row] : [row, column];
  return { tensor: tensor as Tensor<Float32Array>, filterOf, inputOf };
}

/** The weight times a factor for each element. What is zero stays zero, not −0. */
function timed(scope: Scope, node: Node, { tensor }: Weight, factor: (place: number) => number): string {
  const data = tensor.data.map((v, place) => (v === 0 ? 0 : v * factor(place)));
  return changeConstant(scope, node.inputs[1], node, new Tensor('float32', data, tensor.dims));
}

/** The bias of a layer as numbers, 0 where it has none; undefined where it is not constant. */
function biasOf(scope: Scope, node: Node, filters: number): ArrayLike<number> | undefined {
  return node.inputs[2] ? knownNumbers(scope, node.inputs[2]) : new Float64Array(filters);
}

/** The name of a constant for `bias`; none where the layer had none and it is all zero. */
function biasName(scope: Scope, node: Node, bias: readonly number[]): string {
  const tensor = new Tensor('float32', Float32Array.from(bias));
  if (node.inputs[2]) return changeConstant(scope, node.inputs[2], node, tensor);
  return bias.every((v) => v === 0) ? '' : addConstant(scope, `${node.name}/bias`, tensor);
}

const isOne = (v: number): boolean => v === 1;
const layers = new Set(['Conv', 'ConvTranspose', 'Linear']);
/** Linear has its channels last. */
const channelAxis = (scope: Scope, node: Node): number => (node.op === 'Linear' ? shapeOf(scope, node.outputs[0]).length - 1 : 1);

/** scale·(W·x + b) + shift = (scale·W)·x + (scale·b + shift). */
const behind: Rule = (scope, node) => {
  const layer = [0, 1].map((i) => ownProducer(scope, node, i, layers)).find((maker) => maker !== undefined);
  const weight = layer && weightOf(scope, layer);
  if (!weight || isClamped(layer.attrs) || layer.inputs[3]) return false;
  const affine = affineOf(scope, node, channelAxis(scope, layer));
  const bias = affine && biasOf(scope, layer, affine.scale.length);
  if (!bias || affine.x !== layer.outputs[0]) return false;
  const { scale, shift } = affine;
  const w = scale.every(isOne) ? layer.inputs[1] : timed(scope, layer, weight, (place) => scale[weight.filterOf(place)]);
  const b = biasName(scope, layer, scale.map((factor, c) => factor * bias[c] + shift[c]));
  return takeOver(scope, layer, node, { inputs: trimmed([layer.inputs[0], w, b]) });
};

const affineOps = new Set(Object.keys(affines));
const isUnpadded = (scope: Scope, node: Node): boolean => node.op === 'Linear' || convGeometry(callOf(scope, node)).pads.every((pad) => pad === 0);

/** W·(scale·x + shift) + b = (W·scale)·x + (b + Σ W·shift); padding is not shifted, so that a shift needs a window without any. */
const before: Rule = (scope, layer) => {
  const node = ownProducer(scope, layer, 0, affineOps);
  const weight = node && weightOf(scope, layer);
  const affine = weight && affineOf(scope, node, channelAxis(scope, layer));
  const bias = affine && biasOf(scope, layer, shapeOf(scope, layer.outputs[0])[channelAxis(scope, layer)]);
  if (!bias) return false;
  const { scale, shift } = affine;
  const shifts = shift.some((v) => v !== 0);
  if (shifts && !isUnpadded(scope, layer)) return false;
  const sums = Array.from(bias);
  if (shifts) weight.tensor.data.forEach((v, place) => { sums[weight.filterOf(place)] += v * shift[weight.inputOf(place)]; });
  const w = scale.every(isOne) ? layer.inputs[1] : timed(scope, layer, weight, (place) => scale[weight.inputOf(place)]);
  const inputs = trimmed([affine.x, w, biasName(scope, layer, sums), layer.inputs[3]]);
  replace(scope, layer, [node], [{ ...layer, inputs }], layer.name);
  return true;
};

/** A batch normalisation with no layer to go into: x·scale + shift. */
const alone: Rule = (scope, node) => {
  const affine = affineOf(scope, node, 1);
  if (!affine) return false;
  const dims = [affine.scale.length, ...shapeOf(scope, node.inputs[0]).slice(2).map(() => 1)];
  const constant = (label: string, values: readonly number[]) => addConstant(scope, `${node.name}/${label}`, new Tensor('float32', values, dims));
  const product = scope.fresh(`${node.name}/Mul`);
  replace(scope, node, [], [
    { name: product, op: 'Mul', inputs: [affine.x, constant('scale', affine.scale)], outputs: [product], attrs: {} },
    { name: node.name, op: 'Add', inputs: [product, constant('shift', affine.shift)], outputs: node.outputs, attrs: {} },
  ], node.name);
  return true;
};

/** Folds batch normalisation and products and sums with constants into the weights and biases beside them. */
export const foldAffine = passOf({
  BatchNormalization: [behind, alone], Mul: [behind], Add: [behind], Sub: [behind], Div: [behind], Conv: [before], Linear: [before],
});
