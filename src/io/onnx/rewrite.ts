import { expect, fail, show } from '../../expect.ts';
import type { Attr, Node } from '../../graph/graph.ts';
import { numbersOf, Tensor, type DType } from '../../tensor.ts';
import type { RankOf } from './ranks.ts';
import { kinds } from './tensor.ts';

/** What a rewrite may draw on. */
export interface Rewriting {
  readonly opset: number;
  readonly constants: Map<string, Tensor>;
  readonly rankOf: RankOf;
  /** Values that a node reads or the graph gives out. */
  readonly used: ReadonlySet<string>;
  /** A name no value has yet. */
  readonly unique: (name: string) => string;
  /** The place of the node, for errors. */
  readonly where: string;
}

type Rewrite = (node: Node, file: Rewriting) => Node[];

/** A way to write an operator that holds for opsets below `before`. */
interface Edition {
  readonly before: number;
  readonly rewrite: Rewrite;
}

const always = Infinity;

/** Attributes of no meaning for inference: hints, and flags of training. */
const ignored = new Set(['consumed_inputs', 'is_test', 'momentum', 'storage_order', 'broadcast']);

/** What may differ in a rewritten node; `undefined` attributes go. */
interface Change {
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly attrs?: Readonly<Record<string, Attr | undefined>>;
}

function but(node: Node, change: Change): Node {
  const attrs = Object.entries({ ...node.attrs, ...change.attrs }).filter((entry): entry is [string, Attr] => entry[1] !== undefined);
  return { ...node, ...change, attrs: Object.fromEntries(attrs) };
}

/** The name of a new constant. */
function constant(file: Rewriting, name: string, tensor: Tensor): string {
  const unique = file.unique(name);
  file.constants.set(unique, tensor);
  return unique;
}

/** An attribute as numbers that pass `test`. */
function numbersIn(value: Attr, where: string, test: (value: unknown) => boolean): number[] {
  const values = [value].flat();
  expect(values.every(test), { kind: 'model', where, needs: 'numbers', got: show(value) });
  return values as number[];
}

const isNumber = (value: unknown) => typeof value === 'number';
const floatsOf = (value: Attr, where: string) => new Tensor('float32', numbersIn(value, where, isNumber));
const scalarOf = (value: Attr, where: string) => new Tensor('float32', numbersIn(value, where, isNumber), []);
const integersOf = (value: Attr, where: string) => new Tensor('int64', numbersIn(value, where, Number.isInteger));

/** Moves attributes to the inputs that took their place, from input 1 on. */
function toInputs(moves: readonly (readonly [attr: string, of: (value: Attr, where: string) => Tensor])[]): Rewrite {
  return (node, file) => {
    const inputs = [...node.inputs];
    moves.forEach(([attr, of], i) => {
      const value = node.attrs[attr];
      const make = (given: Attr) => constant(file, `${node.name}_${attr}`, of(given, `${file.where} attribute ${attr}`));
      inputs[i + 1] = value === undefined ? (inputs[i + 1] ?? '') : make(value);
    });
    while (inputs.at(-1) === '') inputs.pop();
    return [but(node, { inputs, attrs: Object.fromEntries(moves.map(([attr]) => [attr, undefined])) })];
  };
}

/** Fails with the place unless every output but the first goes unused, and drops those. */
function firstOutput(node: Node, file: Rewriting): Node {
  const extra = node.outputs.slice(1).find((output) => file.used.has(output));
  expect(!extra, { kind: 'unsupported', where: file.where, needs: 'only the first output to be used', got: `a use of ${show(extra)}` });
  return but(node, { outputs: node.outputs.slice(0, 1) });
}

const dropout: Rewrite = (node, file) => {
  const training = node.inputs[2] ? file.constants.get(node.inputs[2]) : undefined;
  const off = !node.inputs[2] || (training && !numbersOf(training)[0]);
  const got = training ? 'true' : 'a value computed from data';
  expect(off, { kind: 'unsupported', where: file.where, needs: 'training_mode to be false', got });
  return [{ ...firstOutput(node, file), op: 'Identity', inputs: node.inputs.slice(0, 1), attrs: {} }];
};

const batchNormalization: Rewrite = (node, file) => {
  for (const [attr, needed] of [['spatial', 1], ['training_mode', 0]] as const) {
    const got = node.attrs[attr] ?? needed;
    expect(got === needed, { kind: 'unsupported', where: file.where, needs: `${attr} ${needed}`, got: show(got) });
  }
  return [firstOutput(but(node, { attrs: { spatial: undefined, training_mode: undefined } }), file)];
};

/** Before opset 7 the second operand was laid along the first from `axis` on: the trailing dimensions are added here. */
const oldBroadcast: Rewrite = (node, file) => {
  const { axis } = node.attrs;
  const plain = but(node, { attrs: { axis: undefined } });
  if (axis === undefined || !node.attrs.broadcast) return [plain];
  const [a, b] = node.inputs.map(file.rankOf);
  if (a === undefined || b === undefined) return fail(rankNeeded(file, 'axis'));
  const missing = a - b - ((axis as number) < 0 ? (axis as number) + a : (axis as number));
  return missing <= 0 ? [plain] : appended(plain, file, missing);
};

/** Gives input 1 `count` trailing dimensions of length 1. */
function appended(node: Node, file: Rewriting, count: number): Node[] {
  const known = file.constants.get(node.inputs[1]);
  const name = `${node.name}_${node.inputs[1]}`;
  if (known) {
    const wide = new Tensor(known.type, known.data, [...known.dims, ...Array<number>(count).fill(1)]);
    return [but(node, { inputs: [node.inputs[0], constant(file, name, wide)] })];
  }
  const axes = constant(file, `${node.name}_axes`, integersOf(Array.from({ length: count }, (_, i) => i - count), file.where));
  const output = file.unique(name);
  const unsqueeze: Node = { name: `${node.name}/Unsqueeze`, op: 'Unsqueeze', inputs: [node.inputs[1], axes], outputs: [output], attrs: {} };
  return [unsqueeze, but(node, { inputs: [node.inputs[0], output] })];
}

function rankNeeded(file: Rewriting, what: string) {
  return { kind: 'unsupported', where: file.where, needs: `known ranks for ${what} of opset ${file.opset}`, got: 'a value of unknown rank',
    remedy: 'convert the model to opset 13 or later' } as const;
}

/** Before opset 7 a slope [C] belonged to the channels, dimension 1. */
const oldPRelu: Rewrite = (node, file) => {
  const [rank, slope] = node.inputs.map(file.rankOf);
  const single = file.constants.get(node.inputs[1])?.size === 1;
  if (slope !== 1 || single) return [node];
  return rank === undefined ? fail(rankNeeded(file, 'slope')) : rank <= 2 ? [node] : appended(node, file, rank - 2);
};

/** Before opset 13 these worked on the input as a matrix, all dimensions from `axis` on flattened into its rows. */
const flattened: Rewrite = (node, file) => {
  const axis = (node.attrs.axis as number | undefined) ?? 1;
  const rank = file.rankOf(node.inputs[0]);
  if (axis === -1 || axis + 1 === rank) return [but(node, { attrs: { axis: -1 } })];
  const [x] = node.inputs;
  const [shape, flat, rows] = ['shape', 'flat', 'rows'].map((part) => file.unique(`${node.name}_${part}`));
  return [
    { name: `${node.name}/Shape`, op: 'Shape', inputs: [x], outputs: [shape], attrs: {} },
    { name: `${node.name}/Flatten`, op: 'Flatten', inputs: [x], outputs: [flat], attrs: { axis } },
    but(node, { inputs: [flat], outputs: [rows], attrs: { axis: -1 } }),
    { name: `${node.name}/Reshape`, op: 'Reshape', inputs: [rows, shape], outputs: node.outputs, attrs: {} },
  ];
};

/** Upsample, and Resize of opset 10: `scales` alone, asymmetric; nearest rounds down going up and up going down. */
const oldResize: Rewrite = (node, file) => {
  const { mode: word = 'nearest' } = node.attrs;
  const mode = word === 'bilinear' || word === 'trilinear' ? 'linear' : word; // the words of Upsample 1
  const scales = file.constants.get(node.inputs[1]);
  const factors = scales ? Array.from(numbersOf(scales)) : [];
  const down = factors.some((f) => f < 1);
  const mixed = mode === 'nearest' && down && factors.some((f) => f > 1);
  expect(!mixed, { kind: 'unsupported', where: file.where, needs: 'scales that all enlarge or all reduce', got: show(factors) });
  const attrs = { mode, coordinate_transformation_mode: 'asymmetric', nearest_mode: down ? 'ceil' : 'floor' };
  return [{ ...node, op: 'Resize', inputs: [node.inputs[0], '', node.inputs[1] ?? ''], attrs }];
};

const scalesAttr: Rewrite = (node, file) => {
  const { height_scale: height, width_scale: width, scales = [1, 1, height ?? 1, width ?? 1] as number[] } = node.attrs;
  const input = constant(file, `${node.name}_scales`, floatsOf(scales, `${file.where} attribute scales`));
  return oldResize({ ...node, inputs: [node.inputs[0], input] }, file);
};

/** `to` was a word before opset 6; float16, bfloat16 and double are float32 here, as the weights are. */
const cast: Rewrite = (node, file) => {
  const { to } = node.attrs;
  const words: Readonly<Record<string, string>> = { FLOAT: 'float32', FLOAT16: 'float32', DOUBLE: 'float32' };
  const kind = typeof to === 'string' ? kinds[(words[to.toUpperCase()] ?? to.toLowerCase()) as DType] : to;
  expect(typeof kind === 'number', { kind: 'model', where: `${file.where} attribute to`, needs: 'an element type', got: show(to) });
  const wide = kind === 10 || kind === 11 || kind === 16;
  return [but(node, { attrs: { to: wide ? kinds.float32 : kind } })];
};

/** Parts of equal size are what their number says, which before opset 18 was only the number of outputs. */
const split: Rewrite = (node, file) => {
  const [moved] = file.opset < 13 ? toInputs([['split', integersOf]])(node, file) : [node];
  return [but(moved, { attrs: { num_outputs: moved.inputs[1] ? undefined : node.outputs.length } })];
};

const pad: Rewrite = (node, file) => {
  const { pads, paddings, value = 0 } = node.attrs;
  const named = but(node, { attrs: { pads: pads ?? paddings, paddings: undefined, value } });
  return toInputs([['pads', integersOf], ['value', scalarOf]])(named, file);
};

const sliced = toInputs([['starts', integersOf], ['ends', integersOf], ['axes', integersOf]]);
const axes = toInputs([['axes', integersOf]]);

const logical = ['And', 'Or', 'Xor', 'Equal', 'Greater', 'Less'];

/** The reductions whose axes became an input in opset 18; ReduceSum was first, in 13. */
export const reductions = ['Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map((name) => `Reduce${name}`);

/** The same history for several operators. */
function shared(names: readonly string[], before: number, rewrite: Rewrite): Record<string, Edition[]> {
  return Object.fromEntries(names.map((name) => [name, [{ before, rewrite }]]));
}

/** What became of each operator: the first edition whose `before` is above the opset of the file rewrites the node. */
const editions: Readonly<Record<string, readonly Edition[]>> = {
  ...shared(['Add', 'Sub', 'Mul', 'Div', 'Pow', ...logical], 7, oldBroadcast),
  ...shared(['Softmax', 'LogSoftmax', 'Hardmax'], 13, flattened),
  ...shared(['ReduceSum', 'Squeeze', 'Unsqueeze'], 13, axes),
  ...shared(reductions, 18, axes),
  BatchNormalization: [{ before: always, rewrite: batchNormalization }],
  Cast: [{ before: always, rewrite: cast }],
  Clip: [{ before: 11, rewrite: toInputs([['min', scalarOf], ['max', scalarOf]]) }],
  Concat: [{ before: 4, rewrite: (node) => [but(node, { attrs: { axis: node.attrs.axis ?? 1 } })] }],
  Dropout: [{ before: always, rewrite: dropout }],
  MaxPool: [{ before: always, rewrite: (node, file) => [firstOutput(node, file)] }],
  Pad: [{ before: 11, rewrite: pad }],
  PRelu: [{ before: 7, rewrite: oldPRelu }],
  Reshape: [{ before: 5, rewrite: toInputs([['shape', integersOf]]) }],
  Resize: [{ before: 11, rewrite: oldResize }],
  Slice: [{ before: 10, rewrite: sliced }],
  Split: [{ before: always, rewrite: split }],
  Upsample: [{ before: 9, rewrite: scalesAttr }, { before: always, rewrite: oldResize }],
};

/** The node in the form of opset 17 (18 for the reductions): the same values, other nodes. */
export function rewrite(node: Node, file: Rewriting): Node[] {
  const edition = Object.hasOwn(editions, node.op) ? editions[node.op].find(({ before }) => file.opset < before) : undefined;
  expect(!edition || node.inputs.length > 0, { kind: 'model', where: file.where, needs: 'an input', got: 'none' });
  const nodes = edition ? edition.rewrite(node, file) : [node];
  return nodes.map((n) => ({ ...n, attrs: Object.fromEntries(Object.entries(n.attrs).filter(([name]) => !ignored.has(name))) }));
}

/** Operators that are read but turn into others. */
export const onlyRead: readonly string[] = ['Constant', 'Dropout', 'Upsample'];
