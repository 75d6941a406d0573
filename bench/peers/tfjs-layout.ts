import * as tf from '@tensorflow/tfjs-core';
import type { Node } from '../../src/graph/graph.ts';
import type { Tensor } from '../../src/tensor.ts';

/** A tensor in whatever order of axes suits tfjs: its axis i is axis order[i] of the graph's value. A Transpose is then free. */
export interface Value {
  readonly tensor: tf.Tensor;
  readonly order: readonly number[];
}

/** One run of a node; an absent input, or one that was taken when the step was made, is undefined. */
export type Step = (...inputs: (Value | undefined)[]) => Value[];

/** What the maker of a step has at hand. */
export interface Site {
  readonly node: Node;
  /** The constant input `i`, which the step then keeps to itself; undefined when it is absent or computed. */
  readonly constant: (i: number) => Tensor | undefined;
  readonly upload: (tensor: Tensor) => tf.Tensor;
  readonly refuse: (why: string) => never;
}

export const nhwc: readonly number[] = [0, 2, 3, 1];
export const plain = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);

/** The value's shape as the graph knows it. */
export function shapeOf({ tensor, order }: Value): number[] {
  const shape = new Array<number>(order.length);
  order.forEach((axis, i) => { shape[axis] = tensor.shape[i]; });
  return shape;
}

/** Where an axis of the graph's value (negative: from the end) is in the tensor. */
export const place = ({ order }: Value, axis: number): number => order.indexOf(axis < 0 ? axis + order.length : axis);

const isLong = (shape: readonly number[]) => (axis: number): boolean => shape[axis] !== 1;

/** The tensor with its axes in `order`. Costs a copy only where axes longer than 1 change places. */
export function inOrder(value: Value, order: readonly number[]): tf.Tensor {
  if (order.every((axis, i) => axis === value.order[i])) return value.tensor;
  const shape = shapeOf(value);
  const [from, to] = [value.order.filter(isLong(shape)), order.filter(isLong(shape))];
  if (from.every((axis, i) => axis === to[i])) return tf.reshape(value.tensor, order.map((axis) => shape[axis]));
  return tf.transpose(value.tensor, order.map((axis) => value.order.indexOf(axis)));
}

/** The value with axes of length 1 put in front until it has `rank` axes. */
export function ofRank(value: Value, rank: number): Value {
  const more = rank - value.order.length;
  if (more <= 0) return value;
  return {
    tensor: tf.reshape(value.tensor, [...plain(more).map(() => 1), ...value.tensor.shape]),
    order: [...plain(more), ...value.order.map((axis) => axis + more)],
  };
}

/** Operands of one rank and order, ready to broadcast: the order of the largest one, so that the small ones move. */
export function aligned(values: readonly Value[]): { tensors: tf.Tensor[]; order: readonly number[] } {
  const rank = Math.max(...values.map((value) => value.order.length));
  const lead = values.reduce((best, value) => (value.tensor.size > best.tensor.size ? value : best));
  const { order } = ofRank(lead, rank);
  return { tensors: values.map((value) => inOrder(ofRank(value, rank), order)), order };
}

/** The graph's Reshape: row-major in the graph's order of axes. */
export function reshaped(value: Value, shape: readonly number[]): Value {
  return { tensor: tf.reshape(inOrder(value, plain(value.order.length)), [...shape]), order: plain(shape.length) };
}

/** The same tensor under a handle of its own, so that each value can be disposed by itself. */
export const same = ({ tensor, order }: Value, newOrder = order): Value => ({ tensor: tf.clone(tensor), order: newOrder });

/** Clamps to [min, max]; infinite bounds cost nothing. */
export function clamped(x: tf.Tensor, min: number, max: number): tf.Tensor {
  if (min === -Infinity && max === Infinity) return x;
  if (min === 0 && max === Infinity) return tf.relu(x);
  if (min === 0 && max === 6) return tf.relu6(x);
  const largest = 3.4028234663852886e38;
  return tf.clipByValue(x, Math.max(min, -largest), Math.min(max, largest));
}
