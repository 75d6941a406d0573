import { expect } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import { opOf } from '../graph/ops/index.ts';
import { sizeOf, Tensor, type Shape } from '../tensor.ts';
import { operationOf } from './site.ts';

/** Multiply-adds after which the plain loops take longer than a measurement may: of larger layers some rows are checked. */
const MOST_MACS = 1e8;
/** Largest difference allowed, of the largest output: f32 sums of a few thousand terms stay well below it. */
const TOLERANCE = 1e-4;

/** What a layer must give, in f64 sums by the plain loops of the operator table. */
export interface Reference {
  /** Output channels that were computed, ascending. */
  readonly rows: readonly number[];
  /** [row][column] of them. */
  readonly values: readonly Float32Array[];
  /** From one output channel to the next, and from one column to the next, in elements of the output. */
  readonly strides: readonly [row: number, col: number];
}

/** Rows spread evenly from the first to the last. */
function spreadRows(rows: number, most: number): number[] {
  const count = Math.max(2, Math.min(rows, most));
  return [...new Set(Array.from({ length: count }, (_, i) => Math.round((i * (rows - 1)) / (count - 1))))];
}

/** The graph with only some output channels. */
function withRows(graph: Graph, rows: readonly number[]): Graph {
  const take = ({ data, dims }: Tensor): Tensor => {
    const length = data.length / dims[0], out = new Float32Array(rows.length * length);
    rows.forEach((row, i) => out.set((data as Float32Array).subarray(row * length, (row + 1) * length), i * length));
    return new Tensor('float32', out, [rows.length, ...dims.slice(1)]);
  };
  return { ...graph, constants: new Map([...graph.constants].map(([name, tensor]) => [name, take(tensor)])) };
}

/**
 * The reference of a layer graph (`x`, `w`, `b` → `y`) for an input; all columns, and all rows where that is not too slow.
 * @param mostMacs multiply-adds of the rows that are computed, if more than the two that always are
 */
export function referenceOf(graph: Graph, x: Tensor, mostMacs = MOST_MACS): Reference {
  const weight = graph.constants.get('w')!, isLinear = graph.nodes[0].op === 'Linear';
  const columns = isLinear ? x.dims[0] : sizeOf(x.dims.slice(2));
  const rows = spreadRows(weight.dims[0], Math.floor(mostMacs / (sizeOf(weight.dims.slice(1)) * columns)));
  const { node, inputs } = operationOf(withRows(graph, rows));
  const [y] = opOf(node).run({ node, inputs: [{ ...inputs[0]!, value: x }, ...inputs.slice(1)] });
  const strides = stridesOf(y.dims, rows.length, isLinear), cols = y.size / rows.length, data = y.data as Float32Array;
  const values = rows.map((_, r) => Float32Array.from({ length: cols }, (__, c) => data[r * strides[0] + c * strides[1]]));
  return { rows, values, strides: stridesOf(y.dims, weight.dims[0], isLinear) };
}

/** A linear layer writes vector after vector, a convolution plane after plane. */
function stridesOf(dims: Shape, rows: number, isLinear: boolean): readonly [number, number] {
  return isLinear ? [1, rows] : [sizeOf(dims.slice(2)), 1];
}

/**
 * The largest difference between an output and its reference.
 * @throws BurinError `device` where it is too large, or not a number: a wrong kernel has no speed
 */
export function errorAgainst({ rows, values, strides }: Reference, got: Float32Array, where: string): number {
  let error = 0, largest = 0;
  rows.forEach((row, r) => values[r].forEach((want, c) => {
    const difference = Math.abs(got[row * strides[0] + c * strides[1]] - want);
    largest = Math.max(largest, Math.abs(want));
    error = Math.max(error, Number.isNaN(difference) ? Infinity : difference);
  }));
  expect(error <= TOLERANCE * largest, {
    kind: 'device', where,
    needs: `results within ${(TOLERANCE * largest).toPrecision(3)} of the reference`,
    got: `a difference of ${error.toPrecision(3)}`,
    remedy: 'nothing was timed: a wrong kernel has no speed',
  });
  return error;
}
