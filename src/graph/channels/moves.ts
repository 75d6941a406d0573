import { numbersOf, type Shape } from '../../tensor.ts';
import { list, num, text } from '../ops/op.ts';
import { cuts, padding } from '../ops/select.ts';
import {
  axisOf, callOf, channelsOf, isComputed, isConstant, range, restIsConstant, shapeOf, straight, type Link, type Place, type Reader,
} from './link.ts';

// Operators that carry elements to other places and compute nothing.

const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const outputOf = ({ node }: Place): string => node.outputs[0];

/** The axis attribute, counted from the front. */
const attributeAxis = (place: Place, otherwise = 0): number =>
  fromFront(num(callOf(place), 'axis', otherwise), shapeOf(place, place.node.inputs[0]).length);

/** Parts one after the other; along another axis every part has the same channels. */
export const concat: Reader = (place) => {
  const { inputs } = place.node, along = attributeAxis(place);
  const computed = [...inputs.keys()].filter((i) => isComputed(place, inputs[i]));
  const [axis] = computed.map((i) => axisOf(place, inputs[i]));
  if (!(axis >= 0) || computed.some((i) => axisOf(place, inputs[i]) !== axis)) return undefined;
  if (axis !== along) return { axes: [axis], links: computed.map((i) => straight(place, i)) };
  const links: Link[] = [];
  let first = 0;
  inputs.forEach((name, i) => {
    const length = shapeOf(place, name)[axis];
    if (computed.includes(i)) links.push({ input: i, output: 0, from: range(length), to: range(length, first) });
    first += length;
  });
  return { axes: [axis], links };
};

export const split: Reader = (place) => {
  const { inputs, outputs } = place.node, along = attributeAxis(place), axis = axisOf(place, inputs[0]);
  if (!restIsConstant(place) || axis < 0) return undefined;
  let first = 0;
  const links = outputs.map((name, output): Link => {
    if (axis !== along) return straight(place, 0, output);
    const length = shapeOf(place, name)[axis], link = { input: 0, output, from: range(length, first), to: range(length) };
    first += length;
    return link;
  });
  // A part that nobody named has a length all the same, which is not known here.
  return outputs.includes('') ? undefined : { axes: outputs.map(() => axis), links };
};

/** A run of channels; with steps other than 1 what is left after a removal may be no slice any more. */
export const slice: Reader = (place) => {
  const [x] = place.node.inputs, axis = axisOf(place, x);
  if (!restIsConstant(place) || axis < 0) return undefined;
  const { start, length, step } = cuts(callOf(place))[axis];
  return step === 1 ? { axes: [axis], links: [{ input: 0, output: 0, from: range(length, start), to: range(length) }] } : undefined;
};

export const gather: Reader = (place) => {
  const [x, wanted] = place.node.inputs, along = attributeAxis(place), axis = axisOf(place, x);
  const extra = shapeOf(place, wanted).length - 1;
  if (axis < 0 || !isConstant(place, wanted) || (axis === along && extra !== 0)) return undefined;
  if (axis !== along) return { axes: [axis + (along < axis ? extra : 0)], links: [straight(place)] };
  const from = Int32Array.from(numbersOf(place.graph.constants.get(wanted)!), (c) => fromFront(c, channelsOf(place, x)));
  return { axes: [axis], links: [{ input: 0, output: 0, from, to: range(from.length) }] };
};

export const transpose: Reader = (place) => {
  const rank = shapeOf(place, place.node.inputs[0]).length, axis = axisOf(place, place.node.inputs[0]);
  const perm = list(callOf(place), 'perm', [...Array(rank).keys()].reverse());
  return axis < 0 ? undefined : { axes: [perm.indexOf(axis)], links: [straight(place)] };
};

/** Elements before an axis, along it, behind it. */
function around(shape: Shape, axis: number): readonly [number, number, number] {
  const product = (dims: Shape): number => dims.reduce((n, dim) => n * dim, 1);
  return [product(shape.slice(0, axis)), shape[axis], product(shape.slice(axis + 1))];
}

/** Which of `small` channels each of `large` belongs to: they lie in blocks, c → [c·m, (c + 1)·m), or interleaved, c → c + k·small. */
function shares(small: number, large: number, blocks: boolean): Int32Array {
  return range(large).map((c) => (blocks ? Math.floor((c * small) / large) : c % small));
}

/** The links of a view whose output has its channels along `axis`: one becomes several or several become one. */
function viewed(place: Place, axis: number): Link | undefined {
  const [x] = place.node.inputs;
  const [before, from, behind] = around(shapeOf(place, x), axisOf(place, x));
  const [outer, to, inner] = around(shapeOf(place, outputOf(place)), axis);
  const blocks = before === outer;
  if ((!blocks && behind !== inner) || from === 0 || to === 0) return undefined;
  if (to % from === 0) return { input: 0, output: 0, from: shares(from, to, blocks), to: range(to) };
  return from % to === 0 ? { input: 0, output: 0, from: range(from), to: shares(to, from, blocks) } : undefined;
}

/** A new shape for the same elements in the same order: [N, C, H, W] or [N, H, W, C] to [N, C·H·W], and back. */
export const view: Reader = (place) => {
  if (!restIsConstant(place) || axisOf(place, place.node.inputs[0]) < 0) return undefined;
  const channels = channelsOf(place, place.node.inputs[0]);
  const found = shapeOf(place, outputOf(place)).map((_, axis) => viewed(place, axis));
  // The same channels before several for one, and that before one for several, the more the better.
  const rank = (link: Link | undefined, axis: number): number => {
    const length = shapeOf(place, outputOf(place))[axis];
    return !link ? -1 : length === channels && channels > 1 ? 3 : length > channels ? 2 : length / channels;
  };
  const ranks = found.map(rank), best = ranks.indexOf(Math.max(...ranks)), link = found[best];
  return link && { axes: [best], links: [link] };
};

/** Output channel c of DepthToSpace is made of c, c + C, … (DCR) or of c·b² … c·b² + b² − 1 (CRD). */
export const depthToSpace: Reader = (place) => {
  const [x] = place.node.inputs, deep = shapeOf(place, outputOf(place))[1];
  if (axisOf(place, x) !== 1) return undefined;
  const to = shares(deep, channelsOf(place, x), text(callOf(place), 'mode', 'DCR') === 'CRD');
  return { axes: [1], links: [{ input: 0, output: 0, from: range(to.length), to }] };
};

/** Input channel c of SpaceToDepth makes c, c + C, c + 2·C, … */
export const spaceToDepth: Reader = (place) => {
  const [x] = place.node.inputs;
  if (axisOf(place, x) !== 1) return undefined;
  const from = shares(channelsOf(place, x), shapeOf(place, outputOf(place))[1], false);
  return { axes: [1], links: [{ input: 0, output: 0, from, to: range(from.length) }] };
};

/** Padded channels belong to no channel of the input; negative pads crop. */
export const pad: Reader = (place) => {
  const [x] = place.node.inputs, axis = axisOf(place, x), constant = text(callOf(place), 'mode', 'constant') === 'constant';
  if (!restIsConstant(place) || axis < 0) return undefined;
  const { before, after } = padding(callOf(place))[axis], length = channelsOf(place, x);
  if (!constant && (before !== 0 || after !== 0)) return undefined;
  const first = Math.max(0, -before), from = range(length - first - Math.max(0, -after), first);
  return { axes: [axis], links: [{ input: 0, output: 0, from, to: from.map((c) => c + before) }] };
};
