import { expect, fail } from '../../expect.ts';
import type { Attr, Node } from '../../graph/graph.ts';
import { type Permutation, permuteTensor } from '../../graph/permute.ts';
import { numbersOf, Tensor } from '../../tensor.ts';
import { type File, loadTensor } from './data.ts';
import type { Late } from './flat.ts';
import type { FileTensor } from './schema.ts';

/** A constant and the name it goes by: that of the tensor that holds its data, however many DEQUANTIZE or DENSIFY later. */
export interface Known { readonly tensor: Tensor; readonly name: string }

/** A graph in the making. */
export interface Draft {
  readonly file: File;
  readonly nodes: Node[];
  readonly constants: Map<string, Tensor>;
  /** Value name of each of the file's tensors. */
  readonly values: readonly string[];
  /** Constants by tensor index, read when first asked for. */
  readonly known: Map<number, Known>;
  /** Tensors computed so far, and the inputs of the network. */
  readonly computed: Set<number>;
  /** Names given to constants, by what they hold. */
  readonly placed: Map<string, string>;
  readonly valueNames: Names;
  readonly nodeNames: Names;
}

/** Gives every name once: `name`, `name_1`, `name_2` … */
export type Names = (name: string) => string;
export function uniqueNames(): Names {
  const used = new Map<string, number>();
  return (name) => {
    let candidate = name;
    for (let n = used.get(name) ?? 0; used.has(candidate); candidate = `${name}_${n}`) used.set(name, ++n);
    used.set(candidate, 0);
    return candidate;
  };
}

/** One operator of the file, being rewritten. */
export interface Site {
  readonly draft: Draft;
  /** `operator 12 (CONV_2D)`. */
  readonly where: string;
  /** The layer's name, for its main node. */
  readonly name: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: Late;
  readonly custom: Uint8Array;
}

/** One node of a chain; its first input is what the step before made. */
export interface Step {
  readonly op: string;
  readonly more?: readonly string[];
  readonly attrs?: Readonly<Record<string, Attr>>;
}

export function has(site: Site, i: number): boolean {
  return (site.inputs[i] ?? -1) >= 0;
}

function tensorIndex(site: Site, list: readonly number[], i: number, what: string): number {
  const index = list[i] ?? -1;
  expect(index >= 0, { kind: 'file', where: site.where, needs: `${what} ${i}`, got: 'nothing' });
  return index;
}

export function inputTensor(site: Site, i: number): FileTensor {
  return site.draft.file.graph.tensors[tensorIndex(site, site.inputs, i, 'input')];
}

export function outputTensor(site: Site, i: number): FileTensor {
  return site.draft.file.graph.tensors[tensorIndex(site, site.outputs, i, 'output')];
}

/** The dimensions of a tensor, -1 where they are only known when the network runs. */
export function dimsOf(tensor: FileTensor): readonly number[] {
  const shape = tensor.shape ?? [];
  const { signature } = tensor;
  return signature?.length === shape.length ? shape.map((dim, i) => (signature[i] < 0 ? -1 : dim)) : shape;
}

/** Dimensions of input `i`, checked to be `rank` many. */
export function inputDims(site: Site, i: number, rank?: number): readonly number[] {
  return ranked(site, dimsOf(inputTensor(site, i)), rank, `input ${i}`);
}

export function outputDims(site: Site, i: number, rank?: number): readonly number[] {
  return ranked(site, dimsOf(outputTensor(site, i)), rank, `output ${i}`);
}

function ranked(site: Site, dims: readonly number[], rank: number | undefined, what: string): readonly number[] {
  const fits = rank === undefined || dims.length === rank;
  expect(fits, { kind: 'shape', where: `${site.where} ${what}`, needs: `${rank} dimensions`, got: `[${dims}]` });
  return dims;
}

/** Input `i` when it is a constant. */
export function knownInput(site: Site, i: number): Known | undefined {
  return knownTensor(site.draft, tensorIndex(site, site.inputs, i, 'input'), site.where);
}

/** The constant in tensor `index`; undefined when it is computed. @throws BurinError `file` when it is neither. */
export function knownTensor(draft: Draft, index: number, where: string): Known | undefined {
  if (draft.computed.has(index)) return undefined;
  const before = draft.known.get(index);
  if (before) return before;
  const tensor = loadTensor(draft.file, index) ?? fail({
    kind: 'file', where: `${where} tensor '${draft.values[index]}'`, got: 'neither',
    needs: 'data or an operator before this one that computes it',
  });
  const known = { tensor, name: draft.values[index] };
  draft.known.set(index, known);
  return known;
}

/** The numbers of input `i`, which must be a constant. */
export function constantNumbers(site: Site, i: number): number[] {
  const known = knownInput(site, i) ?? fail({
    kind: 'unsupported', where: `${site.where} input ${i}`, needs: 'a constant', got: 'a computed value',
  });
  return Array.from(numbersOf(known.tensor));
}

/** The value name of input `i`. */
export function operand(site: Site, i: number): string {
  const known = knownInput(site, i);
  return known ? place(site.draft, known) : site.draft.values[site.inputs[i]];
}

/** The value name of input `i` with its dimensions reordered (a constant is rewritten, anything else gets a Transpose). */
export function permuted(site: Site, i: number, perm: Permutation): string {
  inputDims(site, i, perm.length);
  const known = knownInput(site, i);
  return known ? place(site.draft, known, perm) : inner(site, { op: 'Transpose', attrs: { perm } }, operand(site, i));
}

/** The name of a constant, optionally permuted; equal requests share one. */
export function place(draft: Draft, { name, tensor }: Known, perm?: Permutation): string {
  const key = `${name} ${perm ?? ''}`;
  const before = draft.placed.get(key);
  if (before !== undefined) return before;
  const placed = draft.constants.has(name) ? draft.valueNames(name) : name;
  draft.constants.set(placed, perm ? permuteTensor(tensor, perm) : tensor);
  draft.placed.set(key, placed);
  return placed;
}

/** A float32 scalar; equal ones share a name. */
export function scalar(site: Site, value: number): string {
  return constant(site.draft, `scalar_${value}`, new Tensor('float32', [value], []));
}

/** A list of int64; equal ones share a name. */
export function longList(site: Site, values: readonly number[]): string {
  const whole = values.every(Number.isSafeInteger);
  expect(whole, { kind: 'file', where: site.where, needs: 'whole numbers', got: `[${values}]` });
  return constant(site.draft, `int64_${values.join('_')}`, new Tensor('int64', values, [values.length]));
}

function constant(draft: Draft, name: string, tensor: Tensor): string {
  const key = `our ${name}`;
  const before = draft.placed.get(key);
  if (before !== undefined) return before;
  const placed = draft.valueNames(name);
  draft.constants.set(placed, tensor);
  draft.placed.set(key, placed);
  return placed;
}

interface Ends { readonly input: string; readonly output: string; readonly name: string }

function push(site: Site, { op, more = [], attrs = {} }: Step, { input, output, name }: Ends): void {
  site.draft.nodes.push({ name: site.draft.nodeNames(name), op, inputs: [input, ...more], outputs: [output], attrs });
}

/** A node whose output is no tensor of the file; returns its value name. */
export function inner(site: Site, step: Step, input: string): string {
  const output = site.draft.valueNames(`${site.name}/${step.op}`);
  push(site, step, { input, output, name: `${site.name}/${step.op}` });
  return output;
}

/** A chain of nodes from value `x` to output `output` of the operator; the first that is no Transpose gets the layer's name. */
export function emit(site: Site, x: string, steps: readonly Step[], output = 0): void {
  const chain = steps.length > 0 ? steps : [{ op: 'Identity' }];
  const main = chain.find((step) => step.op !== 'Transpose') ?? chain[0];
  let value = x;
  for (const step of chain.slice(0, -1)) value = step === main ? named(site, step, value) : inner(site, step, value);
  const last = chain[chain.length - 1];
  const result = site.draft.values[tensorIndex(site, site.outputs, output, 'output')];
  push(site, last, { input: value, output: result, name: last === main ? site.name : `${site.name}/${last.op}` });
}

function named(site: Site, step: Step, input: string): string {
  const output = site.draft.valueNames(`${site.name}/${step.op}`);
  push(site, step, { input, output, name: site.name });
  return output;
}

/** One node with several outputs, from value `x`. `outputs` are value names; by default the operator's own. */
export function emitMany(site: Site, step: Step, x: string, outputs = site.outputs.map((index) => site.draft.values[index])): void {
  const { op, more = [], attrs = {} } = step;
  site.draft.nodes.push({ name: site.draft.nodeNames(site.name), op, inputs: [x, ...more], outputs, attrs });
}
