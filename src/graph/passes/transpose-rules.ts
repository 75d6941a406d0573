import { numbersOf, sameShape, Tensor } from '../../tensor.ts';
import type { Attr, Node } from '../graph.ts';
import { binary } from '../ops/binary.ts';
import { reduce } from '../ops/reduce.ts';
import { unary } from '../ops/unary.ts';
import { inverse, type Permutation, permuteList } from '../permute.ts';
import {
  addConstant, bring, isFree, longs, make, movesOnlyOnes, permutePads, shapeOf, type Sink, type View, viewOf,
} from './transpose-sink.ts';

/** A node rewritten to work on the sources of its inputs: output i of the old node is Transpose(output i of the new one, perms[i]). */
export interface Pushed {
  readonly op?: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly perms: readonly Permutation[];
}

/** Undefined where the node needs its inputs as they are. */
export type Rule = (sink: Sink, node: Node) => Pushed | undefined;

/** A rule for nodes of which only input 0 has a layout. */
const ofFirst = (rule: (sink: Sink, node: Node, view: View) => Pushed | undefined): Rule => (sink, node) => {
  const view = viewOf(sink, node.inputs[0]);
  return view && rule(sink, node, view);
};

const rest = (sink: Sink, node: Node): string[] => node.inputs.slice(1).map((name) => make(sink, name));
const samePerm = (node: Node, perm: Permutation): Permutation[] => node.outputs.map(() => perm);

/** Where axis `axis` of the view lies in its source. */
const sourceAxis = (perm: Permutation, axis: number): number => perm[axis < 0 ? axis + perm.length : axis];

/** The numbers of a constant; undefined when the input is absent or computed. */
function known(sink: Sink, name: string | undefined): number[] | undefined {
  const tensor = name ? sink.constants.get(name) : undefined;
  return tensor && Array.from(numbersOf(tensor));
}

const elementwise = ofFirst((sink, node, { source, perm }) => ({ inputs: [source, ...rest(sink, node)], perms: samePerm(node, perm) }));

/** All operands into the layout of the first view, where that takes no more Transposes than leaving them as they are. */
const together: Rule = (sink, node) => {
  const rank = shapeOf(sink, node.outputs[0]).length;
  const perm = node.inputs.map((name) => viewOf(sink, name)?.perm).find((p) => p?.length === rank);
  if (!perm) return undefined;
  const cost = node.inputs.filter((name) => !isFree(sink, name, perm)).length;
  const saved = node.inputs.filter((name) => viewOf(sink, name)).length;
  if (cost > saved) return undefined;
  return { inputs: node.inputs.map((name) => bring(sink, name, perm)), perms: [perm] };
};

const concat: Rule = (sink, node) => {
  const pushed = together(sink, node);
  return pushed && { ...pushed, attrs: { ...node.attrs, axis: sourceAxis(pushed.perms[0], node.attrs.axis as number) } };
};

/** An operator along the axis its attribute names. */
const along = (otherwise: number): Rule => ofFirst((sink, node, { source, perm }) => ({
  inputs: [source, ...rest(sink, node)], perms: samePerm(node, perm),
  attrs: { ...node.attrs, axis: sourceAxis(perm, (node.attrs.axis as number | undefined) ?? otherwise) },
}));

/** Inputs: x, starts, ends, axes, steps. */
const slice = ofFirst((sink, node, { source, perm }) => {
  const [, starts, ends, given, steps] = node.inputs;
  const axes = given ? known(sink, given) : Array.from({ length: shapeOf(sink, starts)[0] }, (_, d) => d);
  if (!axes) return undefined;
  const moved = longs(sink, `${node.name}/axes`, axes.map((axis) => sourceAxis(perm, axis)));
  const inputs = [source, make(sink, starts), make(sink, ends), moved, ...(steps ? [make(sink, steps)] : [])];
  return { inputs, perms: [perm] };
});

/** Inputs: x, pads, value, axes. */
const pad = ofFirst((sink, node, { source, perm }) => {
  const [, pads, value = '', given] = node.inputs;
  const fill = make(sink, value);
  if (given) {
    const axes = known(sink, given)?.map((axis) => sourceAxis(perm, axis));
    return axes && { inputs: [source, make(sink, pads), fill, longs(sink, `${node.name}/axes`, axes)], perms: [perm] };
  }
  const sides = known(sink, pads);
  return sides && { inputs: [source, longs(sink, `${node.name}/pads`, permutePads(sides, inverse(perm))), fill], perms: [perm] };
});

/** Inputs: x, axes. Without keepdims the dimensions that stay close ranks. */
const reduction = ofFirst((sink, node, { source, perm }) => {
  const axes = known(sink, node.inputs[1])?.map((axis) => sourceAxis(perm, axis));
  if (!axes || axes.length === 0) return undefined;
  const inputs = [source, longs(sink, `${node.name}/axes`, axes.sort((a, b) => a - b))];
  return { inputs, perms: [node.attrs.keepdims === 0 ? without(perm, axes) : perm] };
});

const search = ofFirst((_, node, { source, perm }) => {
  const axis = sourceAxis(perm, (node.attrs.axis as number | undefined) ?? 0);
  return { inputs: [source], attrs: { ...node.attrs, axis }, perms: [node.attrs.keepdims === 0 ? without(perm, [axis]) : perm] };
});

function without(perm: Permutation, gone: readonly number[]): number[] {
  return perm.filter((dim) => !gone.includes(dim)).map((dim) => dim - gone.filter((other) => other < dim).length);
}

/** Inputs: x, roi, scales, sizes. Only where the source is channels first, which is what Resize is made for. */
const resize = ofFirst((sink, node, { source, perm }) => {
  const [, roi, scales, sizes] = node.inputs;
  const target = shapeOf(sink, node.outputs[0]);
  const from = shapeOf(sink, source);
  const to = permuteList(target, inverse(perm));
  if (roi || node.attrs.axes || !sameShape(from.slice(0, 2), to.slice(0, 2))) return undefined;
  const constant = sink.constants.get(sizes || scales);
  if (!constant || constant.size !== perm.length) return undefined;
  const moved = permuteList(Array.from(numbersOf(constant)), inverse(perm));
  const name = addConstant(sink, `${node.name}/${sizes ? 'sizes' : 'scales'}`, new Tensor(constant.type, moved));
  return { inputs: sizes ? [source, '', '', name] : [source, '', name], perms: [perm] };
});

/** A change of shape does not see a Transpose that moves nothing in memory. */
const reshape = ofFirst((sink, node, { source, perm }) => {
  if (!movesOnlyOnes(shapeOf(sink, source), perm)) return undefined;
  const shape = shapeOf(sink, node.outputs[0]);
  const inputs = [source, longs(sink, `${node.name}/shape`, shape)];
  return { op: 'Reshape', inputs, attrs: { allowzero: 1 }, perms: [shape.map((_, d) => d)] };
});

const all = (table: object, rule: Rule): Record<string, Rule> => Object.fromEntries(Object.keys(table).map((op) => [op, rule]));

/** How a Transpose passes each operator; the others need their inputs as they are. */
export const rules: Readonly<Record<string, Rule>> = {
  ...all(unary, elementwise), ...all(binary, together), ...all(reduce, reduction), ArgMax: search, ArgMin: search,
  Concat: concat, Split: along(0), Softmax: along(-1), LogSoftmax: along(-1), Slice: slice, Pad: pad, Resize: resize,
  Reshape: reshape, Squeeze: reshape, Unsqueeze: reshape, Flatten: reshape,
};
