import { axisOf, input, num, type Call as Operation } from '../../graph/ops/op.ts';
import { views } from '../../graph/ops/move.ts';
import { cuts, splitSizes } from '../../graph/ops/select.ts';
import { stridesOf, type Shape } from '../../tensor.ts';

/** An array as it is walked, in elements. */
export interface Walk { readonly offset: number; readonly strides: readonly number[] }

/** A copy of an array from its place in the input `from` to its place in the output `to`. */
export interface Move {
  readonly shape: Shape;
  readonly from: number;
  readonly to: number;
  readonly src: Walk;
  readonly dst: Walk;
}

/** An operator that only moves elements. */
export interface Moving {
  /** What is copied, the shape of an output by its name given; copies may be empty. */
  readonly moves: (op: Operation, shapeOf: (output: string) => Shape) => Move[];
  /** Inputs that are moved, the first of them; the others say how. */
  readonly inputs: number;
}

/** The whole of an array that lies without gaps. */
export const whole = (shape: Shape): Walk => ({ offset: 0, strides: stridesOf(shape) });

const view = (viewOf: (op: Operation) => { shape: Shape; strides: readonly number[] }): Moving => ({
  inputs: 1,
  moves(op) {
    const { shape, strides } = viewOf(op);
    return [{ shape, from: 0, to: 0, src: { offset: 0, strides }, dst: whole(shape) }];
  },
});

const slice: Moving = {
  inputs: 1,
  moves(op, shapeOf) {
    const strides = stridesOf(input(op, 0).shape), parts = cuts(op), shape = shapeOf(op.node.outputs[0]);
    const offset = parts.reduce((sum, { start }, d) => sum + start * strides[d], 0);
    return [{ shape, from: 0, to: 0, src: { offset, strides: parts.map(({ step }, d) => step * strides[d]) }, dst: whole(shape) }];
  },
};

const concat: Moving = {
  inputs: Infinity,
  moves(op, shapeOf) {
    const shape = shapeOf(op.node.outputs[0]), axis = axisOf(op, num(op, 'axis'), shape.length), strides = stridesOf(shape);
    let start = 0;
    return op.inputs.map((_, from) => {
      const part = input(op, from).shape, dst = { offset: start * strides[axis], strides };
      start += part[axis];
      return { shape: part, from, to: 0, src: whole(part), dst };
    });
  },
};

const split: Moving = {
  inputs: 1,
  moves(op) {
    const { shape } = input(op, 0), axis = axisOf(op, num(op, 'axis', 0), shape.length), strides = stridesOf(shape);
    let start = 0;
    return splitSizes(op).flatMap((size, to) => {
      const part = shape.map((length, d) => (d === axis ? size : length)), src = { offset: start * strides[axis], strides };
      start += size;
      // Nobody wants an output without a name.
      return op.node.outputs[to] ? [{ shape: part, from: 0, to, src, dst: whole(part) }] : [];
    });
  },
};

/** By operator: what every backend copies alike. */
export const moving: Readonly<Record<string, Moving>> = {
  ...Object.fromEntries(Object.entries(views).map(([name, viewOf]) => [name, view(viewOf)])),
  Slice: slice, Concat: concat, Split: split,
};
