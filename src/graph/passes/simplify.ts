import { arrayFrom, sameShape, Tensor } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { isIdentity } from '../permute.ts';
import { cuts, padding } from '../ops/select.ts';
import {
  addConstant, become, callOf, everyNumber, forward, isClamped, knownNumber, knownNumbers, passOf, replace, type Rule, type Scope,
  shapeOf,
} from './rewrite.ts';

/** Drops a node whose result is its input `i`, where `test` says so and type and shape are the same. */
const dropWhere = (test: (scope: Scope, node: Node) => boolean, i = 0): Rule => (scope, node) => {
  const [from, to] = [scope.types.get(node.inputs[i])!, scope.types.get(node.outputs[0])!];
  return from.type === to.type && sameShape(from.shape, to.shape) && test(scope, node) && forward(scope, node, node.inputs[i]);
};

const always = dropWhere(() => true);
/** Drops an operator of two operands where one of them changes nothing. */
const neutral = (value: number, operand: 0 | 1): Rule =>
  dropWhere((scope, { inputs, attrs }) => !isClamped(attrs) && everyNumber(scope, inputs[operand], (v) => v === value), 1 - operand);
const commuting = (value: number): Rule[] => [neutral(value, 1), neutral(value, 0)];

const withoutBounds = dropWhere((scope, { inputs: [, min, max] }) =>
  (!min || everyNumber(scope, min, (v) => v === -Infinity)) && (!max || everyNumber(scope, max, (v) => v === Infinity)));
const nothingPadded = dropWhere((scope, node) =>
  knownNumbers(scope, node.inputs[1]) !== undefined
  && padding(callOf(scope, node)).every(({ before, after }) => before === 0 && after === 0));
const whole = dropWhere((scope, node) => node.inputs.slice(1).every((name) => !name || scope.constants.has(name))
  && cuts(callOf(scope, node)).every(({ step }) => step === 1));
const unmoved = dropWhere((_, { attrs }) => Array.isArray(attrs.perm) && isIdentity(attrs.perm as number[]));
const positiveAlready = dropWhere((scope, node) => scope.producers.get(node.inputs[0])?.op === 'Relu');

const onlyOne = dropWhere((_, { inputs }) => inputs.length === 1);

/** Operators that only rename the dimensions. */
const views = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** A view of a view is a Reshape of what the first one looks at. */
const viewOfView: Rule = (scope, node) => {
  const first = scope.producers.get(node.inputs[0]);
  if (!first || !views.has(first.op)) return false;
  const shape = shapeOf(scope, node.outputs[0]);
  const target = addConstant(scope, `${node.name}/shape`, new Tensor('int64', shape, [shape.length]));
  return become(scope, node, { op: 'Reshape', inputs: [first.inputs[0], target], attrs: { allowzero: 1 } });
};

const sameAsFirst = (scope: Scope, node: Node): boolean => sameShape(shapeOf(scope, node.inputs[0]), shapeOf(scope, node.outputs[0]));

const square: Rule = (scope, node) => knownNumber(scope, node.inputs[1]) === 2 && sameAsFirst(scope, node)
  && become(scope, node, { op: 'Mul', inputs: [node.inputs[0], node.inputs[0]], attrs: {} });
const root: Rule = (scope, node) => knownNumber(scope, node.inputs[1]) === 0.5 && sameAsFirst(scope, node)
  && become(scope, node, { op: 'Sqrt', inputs: [node.inputs[0]], attrs: {} });

/** An operator on any number of operands as a chain of `op` on two. */
const inPairs = (op: string): Rule => (scope, node) => {
  const [first, ...others] = node.inputs;
  if (others.length === 0 || (others.length === 1 && op === node.op)) return false;
  let before = first;
  const made = others.map((other, i): Node => {
    const last = i === others.length - 1;
    const name = last ? node.name : scope.fresh(`${node.name}/${op}_${i}`);
    const pair = { name, op, inputs: [before, other], outputs: last ? node.outputs : [name], attrs: {} };
    before = name;
    return pair;
  });
  replace(scope, node, [], made, node.name);
  return true;
};

const isPowerOfTwo = (v: number): boolean => {
  const power = Math.round(Math.log2(Math.abs(v)));
  return Math.abs(power) <= 126 && Math.abs(v) === 2 ** power;
};

/** Only where the reciprocal is exact, so that every result stays bit for bit the same. */
const multiplyInstead: Rule = (scope, node) => {
  const tensor = scope.constants.get(node.inputs[1]);
  if (tensor?.type !== 'float32' || !everyNumber(scope, node.inputs[1], isPowerOfTwo)) return false;
  const reciprocal = new Tensor('float32', arrayFrom('float32', Array.from(tensor.data as Float32Array, (v) => 1 / v)), tensor.dims);
  return become(scope, node, { op: 'Mul', inputs: [node.inputs[0], addConstant(scope, `${node.inputs[1]}/reciprocal`, reciprocal)] });
};

/** Removes what changes nothing and writes what is left in fewer and plainer operators. */
export const simplify = passOf({
  Identity: [always], Dropout: [always], Cast: [always], Expand: [always],
  Reshape: [always, viewOfView], Flatten: [always, viewOfView], Squeeze: [always, viewOfView], Unsqueeze: [always, viewOfView],
  Transpose: [unmoved], Pad: [nothingPadded], Slice: [whole], Clip: [withoutBounds], Relu: [positiveAlready],
  Concat: [onlyOne],
  Mul: commuting(1), Add: commuting(0), Sub: [neutral(0, 1)], Div: [neutral(1, 1), multiplyInstead],
  Pow: [neutral(1, 1), square, root],
  Sum: [onlyOne, inPairs('Add')], Min: [onlyOne, inPairs('Min')], Max: [onlyOne, inPairs('Max')],
});
