import { numbersOf, Tensor } from '../../tensor.ts';
import { axisOf, callOf, channelsOf, isConstant, operandAxis, shapeOf, type Place } from '../channels/index.ts';
import { num } from '../ops/op.ts';
import { cuts, padding } from '../ops/select.ts';

// What becomes of the constants of a node when channels of the values around it go.

/** The channels of a value that stay, in order. */
export type Staying = (name: string) => readonly number[];

/** How an operator's constants change. */
interface Edit {
  /** Which constant inputs would be others. */
  readonly inputs: (place: Place) => readonly number[];
  /** Input `i` with what is left. */
  readonly tensor: (place: Place, i: number, staying: Staying) => Tensor;
}

/** The places `list` along an axis. */
export function taken(tensor: Tensor, axis: number, list: readonly number[]): Tensor {
  const inner = tensor.dims.slice(axis + 1).reduce((n, dim) => n * dim, 1), length = tensor.dims[axis];
  const outer = tensor.size / inner / length, source = tensor.data as Float32Array; // any of the arrays: elements are only moved
  const data = new (source.constructor as Float32ArrayConstructor)(outer * list.length * inner);
  for (let o = 0, at = 0; o < outer; o++) {
    for (const c of list) for (let i = (o * length + c) * inner, end = i + inner; i < end; i++) data[at++] = source[i];
  }
  return new Tensor(tensor.type, data, tensor.dims.map((dim, d) => (d === axis ? list.length : dim)));
}

const constantOf = ({ graph, node }: Place, i: number): Tensor => graph.constants.get(node.inputs[i])!;
const outAxis = (place: Place): number => axisOf(place, place.node.outputs[0]);
const inAxis = (place: Place): number => axisOf(place, place.node.inputs[0]);
const integers = (like: Tensor, values: ArrayLike<number>): Tensor =>
  new Tensor(like.type === 'int32' ? 'int32' : 'int64', Array.from(values), like.dims);

/** Constant operands lose the channels that the result loses. */
const operands: Edit = {
  inputs: (place) => [...place.node.inputs.keys()].filter((i) =>
    isConstant(place, place.node.inputs[i]) && operandAxis(place, place.node.inputs[i]) >= 0),
  tensor: (place, i, staying) =>
    taken(constantOf(place, i), operandAxis(place, place.node.inputs[i]), staying(place.node.outputs[0])),
};

/** One element a channel of the input. */
const perChannel = (...inputs: number[]): Edit => ({
  inputs: () => inputs,
  tensor: (place, i, staying) => taken(constantOf(place, i), 0, staying(place.node.inputs[0])),
});

/** Where the axis of the channels is among the listed ones; −1 where it is not. */
function listed(place: Place, axes: readonly number[] | undefined): number {
  const rank = shapeOf(place, place.node.inputs[0]).length;
  return axes ? axes.map((d) => (d < 0 ? d + rank : d)).indexOf(inAxis(place)) : inAxis(place);
}

/** Entry `at` of a list of integers. */
function changed(tensor: Tensor, at: number, value: number): Tensor {
  const values = Array.from(numbersOf(tensor));
  values[at] = value;
  return integers(tensor, values);
}

const resizeAxes = ({ node }: Place): readonly number[] | undefined => node.attrs.axes as readonly number[] | undefined;
const resize: Edit = {
  inputs: (place) => (place.node.inputs[3] && listed(place, resizeAxes(place)) >= 0 ? [3] : []),
  tensor: (place, i, staying) => changed(constantOf(place, i), listed(place, resizeAxes(place)), staying(place.node.inputs[0]).length),
};

/** A length that is asked for in so many words; −1 follows by itself, and so does 0 where it copies the channels. */
const reshape: Edit = {
  inputs: (place) => {
    const asked = Number(constantOf(place, 1).data[outAxis(place)]);
    return asked > 0 || (asked === 0 && inAxis(place) !== outAxis(place)) ? [1] : [];
  },
  tensor: (place, i, staying) => changed(constantOf(place, i), outAxis(place), staying(place.node.outputs[0]).length),
};

const along = (place: Place): number => {
  const axis = num(callOf(place), 'axis', 0);
  return axis < 0 ? axis + shapeOf(place, place.node.inputs[0]).length : axis;
};

const parts: Edit = {
  inputs: (place) => (along(place) === inAxis(place) ? [1] : []),
  tensor: ({ node }, _i, staying) => new Tensor('int64', node.outputs.map((name) => staying(name).length), [node.outputs.length]),
};

const joined: Edit = {
  inputs: (place) => [...place.node.inputs.keys()].filter((i) => isConstant(place, place.node.inputs[i])),
  tensor: (place, i, staying) => {
    const { inputs, outputs } = place.node, axis = outAxis(place), all = staying(outputs[0]);
    if (along(place) !== axis) return taken(constantOf(place, i), axis, all);
    const first = inputs.slice(0, i).reduce((sum, name) => sum + shapeOf(place, name)[axis], 0);
    const end = first + shapeOf(place, inputs[i])[axis];
    return taken(constantOf(place, i), axis, all.filter((c) => c >= first && c < end).map((c) => c - first));
  },
};

const cutOf = (place: Place) => cuts(callOf(place))[inAxis(place)];
const sliceAxes = ({ node, graph }: Place): number[] | undefined =>
  (node.inputs[3] ? Array.from(numbersOf(graph.constants.get(node.inputs[3])!)) : undefined);

/** A run of channels begins and ends elsewhere. */
const run: Edit = {
  inputs: (place) => (cutOf(place).length === channelsOf(place, place.node.inputs[0]) ? [] : [1, 2]),
  tensor: (place, i, staying) => {
    const { start, length } = cutOf(place), before = staying(place.node.inputs[0]).filter((c) => c < start).length;
    const value = i === 1 ? before : before + staying(place.node.inputs[0]).filter((c) => c >= start && c < start + length).length;
    return changed(constantOf(place, i), listed(place, sliceAxes(place)), value);
  },
};

const picked: Edit = {
  inputs: (place) => (along(place) === inAxis(place) ? [1] : []),
  tensor: (place, i, staying) => {
    const indices = constantOf(place, i), length = channelsOf(place, place.node.inputs[0]), from = staying(place.node.inputs[0]);
    const kept = staying(place.node.outputs[0]).map((c) => Number(indices.data[c])).map((c) => from.indexOf(c < 0 ? c + length : c));
    return new Tensor('int64', kept, [kept.length]);
  },
};

/** Padded and cropped channels, as many as are left of them. */
const padded: Edit = {
  inputs: (place) => {
    const { before, after } = padding(callOf(place))[inAxis(place)];
    return before !== 0 || after !== 0 ? [1] : [];
  },
  tensor: (place, i, staying) => {
    const { before, after } = padding(callOf(place))[inAxis(place)], pads = constantOf(place, i), count = pads.size / 2;
    const { inputs: [x, , , axes], outputs: [y] } = place.node;
    const at = listed(place, axes ? Array.from(numbersOf(constantOf(place, 3))) : undefined);
    const left = (amount: number, first: (name: string) => number): number =>
      Math.sign(amount) * staying(amount > 0 ? y : x).filter((c) => {
        const start = first(amount > 0 ? y : x);
        return c >= start && c < start + Math.abs(amount);
      }).length;
    const front = changed(pads, at, left(before, () => 0));
    return changed(front, at + count, left(after, (name) => channelsOf(place, name) - Math.abs(after)));
  },
};

const none: Edit = { inputs: () => [], tensor: (place, i) => constantOf(place, i) };

const edits: Readonly<Record<string, Edit>> = {
  Add: operands, Sub: operands, Mul: operands, Div: operands, Pow: operands, Min: operands, Max: operands, Sum: operands, Mean: operands,
  PRelu: operands, BatchNormalization: perChannel(1, 2, 3, 4), InstanceNormalization: perChannel(1, 2), Resize: resize, Reshape: reshape,
  Split: parts, Concat: joined, Slice: run, Gather: picked, Pad: padded,
};

/** How the constants of an operator that links channels change. */
export const editOf = (op: string): Edit => (Object.hasOwn(edits, op) ? edits[op] : none);
