import { expect, fail, show } from '../../expect.ts';
import { numbersOf, type Tensor } from '../../tensor.ts';
import type { Attr, Node, Typed } from '../graph.ts';

/** An input as an operator sees it: `value` is there once the data is known (a constant, or at run time). */
export interface Arg extends Typed {
  readonly value?: Tensor;
}

/** One node with its inputs resolved; what every function of an operator is given. An absent input is undefined. */
export interface Call {
  readonly node: Node;
  readonly inputs: readonly (Arg | undefined)[];
}

/** What one run of a node costs, before anything is skipped. */
export interface Work {
  /** Multiply-adds of the dense operation, weights only. */
  readonly macs: number;
  /** The part of `macs` whose input is inside the image, not padding. */
  readonly inBounds: number;
  /** FLOP count of ptflops: multiply-adds + bias, 2N for batch normalisation, N for ReLU, input size for pooling. */
  readonly ptflops: number;
}

/** A row of the operator table. */
export interface Op {
  /** Fewest and most inputs; the fewest are required, those beyond are optional. */
  readonly inputs: readonly [number, number];
  /** Types and shapes of the outputs. @throws BurinError where they cannot be known or do not fit. */
  readonly infer: (call: Call) => Typed[];
  /** The operation in plain loops with f64 sums: the oracle of every backend. Every input has its `value`. */
  readonly run: (call: Call) => Tensor[];
  /** True where the result follows from the inputs' shapes alone, so that it is a constant once these are known. */
  readonly fromShapes?: true;
  /** Absent: the operation counts as free (it moves data). */
  readonly work?: (call: Call) => Work;
}

/** Where an error happened. */
export function at(call: Call): string {
  const shapes = call.inputs.map((input) => (input ? `[${input.shape}]` : '-')).join(' ');
  return `node '${call.node.name}' (${call.node.op}) on ${shapes}`;
}

/** Input `i`, which must be there. */
export function input(call: Call, i: number): Arg {
  return call.inputs[i] ?? fail({ kind: 'model', where: at(call), needs: `input ${i}`, got: 'nothing' });
}

/** The data of input `i`, which must be known by now. */
export function data(call: Call, i: number): Tensor {
  return input(call, i).value ?? fail({
    kind: 'unsupported', where: at(call), needs: `input ${i} to be known before the run`, got: 'a value computed from data',
    remedy: 'shapes that depend on the data are not supported',
  });
}

/** The numbers of input `i` when it is known, `undefined` when the input is absent. */
export function numbers(call: Call, i: number): number[] | undefined {
  return call.inputs[i] ? Array.from(numbersOf(data(call, i))) : undefined;
}

function attr<T extends Attr>(call: Call, name: string, otherwise: T | undefined, kind: string, test: (value: Attr) => boolean): T {
  const value = call.node.attrs[name] ?? otherwise;
  expect(value !== undefined && test(value), { kind: 'model', where: `${at(call)} attribute ${name}`, needs: kind, got: show(value) });
  return value as T;
}

export const num = (call: Call, name: string, otherwise?: number): number =>
  attr(call, name, otherwise, 'a number', (v) => typeof v === 'number');
export const text = (call: Call, name: string, otherwise?: string): string =>
  attr(call, name, otherwise, 'a string', (v) => typeof v === 'string');
export const list = (call: Call, name: string, otherwise?: readonly number[]): readonly number[] =>
  attr(call, name, otherwise, 'a list of numbers', (v) => Array.isArray(v) && v.every((x) => typeof x === 'number'));

/** `axis` counted from the front. @throws BurinError when it is outside the rank. */
export function axisOf(call: Call, axis: number, rank: number): number {
  expect(Number.isInteger(axis) && axis >= -rank && axis < Math.max(rank, 1), {
    kind: 'model', where: at(call), needs: `an axis in [-${rank}, ${rank})`, got: show(axis),
  });
  return axis < 0 ? axis + rank : axis;
}
