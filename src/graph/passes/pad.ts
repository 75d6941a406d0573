import { sameShape } from '../../tensor.ts';
import type { Node } from '../graph.ts';
import { num } from '../ops/op.ts';
import { opOf } from '../ops/index.ts';
import { padding } from '../ops/select.ts';
import { convGeometry, poolGeometry, type Window } from '../ops/window.ts';
import { become, callOf, knownNumber, knownNumbers, passOf, type Rule, type Scope, shapeOf } from './rewrite.ts';

/** A Pad that only adds a constant around the image: what it pads, with what, and by how much (top, left, bottom, right). */
interface Border { readonly x: string; readonly value: number; readonly sides: readonly number[] }

function borderOf(scope: Scope, name: string): Border | undefined {
  const node = scope.producers.get(name);
  if (node?.op !== 'Pad' || (node.attrs.mode ?? 'constant') !== 'constant') return undefined;
  const [x, , fill, axes] = node.inputs;
  const value = fill ? knownNumber(scope, fill) : 0;
  if (value === undefined || !knownNumbers(scope, node.inputs[1]) || (axes && !knownNumbers(scope, axes))) return undefined;
  const all = padding(callOf(scope, node));
  const inImage = all.every(({ before, after }, d) => (d < 2 ? before === 0 && after === 0 : before >= 0 && after >= 0));
  const image = all.length === 3 ? [{ before: 0, after: 0 }, all[2]] : all.slice(2);
  return inImage ? { x, value, sides: [...image.map(({ before }) => before), ...image.map(({ after }) => after)] } : undefined;
}

/** The window without the Pad, which `pads` now do; undone where its result would not have the same shape (a window that starts on padding). */
function fold(scope: Scope, node: Node, border: Border, g: Window, attrs: Node['attrs']): boolean {
  const pads = g.pads.map((pad, i) => pad + border.sides[i]);
  const own = shapeOf(scope, border.x).length === 3 ? [pads[1], pads[3]] : pads;
  const folded = { ...node, inputs: [border.x, ...node.inputs.slice(1)], attrs: { ...node.attrs, ...attrs, auto_pad: 'NOTSET', pads: own } };
  const [{ shape }] = opOf(folded).infer(callOf(scope, folded));
  return sameShape(shape, shapeOf(scope, node.outputs[0])) && become(scope, node, { inputs: folded.inputs, attrs: folded.attrs });
}

const conv: Rule = (scope, node) => {
  const border = borderOf(scope, node.inputs[0]);
  return border?.value === 0 && fold(scope, node, border, convGeometry(callOf(scope, node)), {});
};

/** An average over zeros is one that counts its padding; padding of its own that it does not count would count then. */
const averagePool: Rule = (scope, node) => {
  const border = borderOf(scope, node.inputs[0]);
  if (border?.value !== 0) return false;
  const call = callOf(scope, node);
  const g = poolGeometry(call);
  const counts = num(call, 'count_include_pad', 0) !== 0 || g.pads.every((pad) => pad === 0);
  return counts && num(call, 'ceil_mode', 0) === 0 && fold(scope, node, border, g, { count_include_pad: 1 });
};

/** Operators whose results are 0 or more, whatever comes in. */
const notNegative = new Set(['Relu', 'Sigmoid', 'HardSigmoid', 'Softmax', 'Abs', 'Exp', 'Softplus']);

function isNotNegative(scope: Scope, name: string): boolean {
  const maker = scope.producers.get(name);
  if (!maker) return false;
  if (maker.op === 'Clip') return (knownNumber(scope, maker.inputs[1]) ?? -1) >= 0;
  return notNegative.has(maker.op) || (typeof maker.attrs.min === 'number' && maker.attrs.min >= 0);
}

/** Padding of a maximum is −∞. Zeros are as good where nothing is below them and every window meets the image. */
const maxPool: Rule = (scope, node) => {
  const border = borderOf(scope, node.inputs[0]);
  if (!border || node.outputs.length > 1) return false;
  const call = callOf(scope, node);
  const g = poolGeometry(call);
  if (num(call, 'ceil_mode', 0) !== 0) return false;
  const meets = g.dilations.every((d) => d === 1) && g.pads.every((pad, i) => pad + border.sides[i] < g.kernel[i % 2]);
  const least = border.value === -Infinity || (border.value === 0 && isNotNegative(scope, border.x));
  return least && meets && fold(scope, node, border, g, {});
};

/** Padding in front of a window becomes the window's own. */
export const foldPads = passOf({ Conv: [conv], AveragePool: [averagePool], MaxPool: [maxPool] });
