import { fail } from '../../expect.ts';
import { allocate, arrayFrom, numbersOf, sizeOf, stridesOf, Tensor, type DType, type Shape } from '../../tensor.ts';
import { at, input, type Call } from './op.ts';
import type { Typed } from '../graph.ts';

/** The largest doubles below 2^63 and 2^64: the array would wrap the next one round. */
const widest = { int64: [-(2 ** 63), 2 ** 63 - 1024], uint64: [0, 2 ** 64 - 2048] } as const;

/** A tensor of `type` from f64 results: whole types truncate, 64-bit ones saturate, bool becomes 0 or 1. `values` is consumed. */
export function result(type: DType, shape: Shape, values: Float64Array): Tensor {
  if (type === 'float64') return new Tensor(type, values, shape);
  if (type === 'bool') return new Tensor(type, Uint8Array.from(values, (v) => (v !== 0 ? 1 : 0)), shape);
  if (type === 'int64' || type === 'uint64') {
    const [low, high] = widest[type];
    for (let i = 0; i < values.length; i++) values[i] = Math.max(low, Math.min(high, Math.trunc(values[i]))) || 0; // NaN becomes 0
  }
  return new Tensor(type, arrayFrom(type, values), shape);
}

/** `f` of every number and its place. A plain loop: `Float64Array.from` walks an iterator and takes several times as long. */
export function mapNumbers(x: ArrayLike<number>, f: (value: number, place: number) => number): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = f(x[i], i);
  return out;
}

/** The type and shape of input `i`, as a result. */
export function like(call: Call, i = 0): Typed {
  const { type, shape } = input(call, i);
  return { type, shape };
}

/**
 * Offsets into a row-major array of every combination of per-axis offsets, last axis fastest: entry (i, j, …) is
 * axes[0][i] + axes[1][j] + …. Slicing, gathering, padding, tiling and transposing differ only in these lists.
 */
export function grid(axes: readonly ArrayLike<number>[]): Float64Array {
  let inner = Float64Array.of(0);
  for (let d = axes.length - 1; d >= 0; d--) {
    const axis = axes[d];
    const outer = new Float64Array(axis.length * inner.length);
    for (let i = 0, o = 0; i < axis.length; i++) {
      for (let j = 0; j < inner.length; j++) outer[o++] = axis[i] + inner[j];
    }
    inner = outer;
  }
  return inner;
}

/** `length` offsets, `step` apart. */
export function steps(length: number, step: number, start = 0): Float64Array {
  const list = new Float64Array(length);
  for (let i = 0; i < length; i++) list[i] = start + i * step;
  return list;
}

/** {@link grid} of a strided view. */
export function offsets(shape: Shape, strides: readonly number[]): Float64Array {
  return grid(shape.map((length, d) => steps(length, strides[d])));
}

/** The elements of `x` at `places`, bits unchanged; `outside` (0 when absent) where a place is negative. */
export function take(x: Tensor, shape: Shape, places: Float64Array, outside?: Tensor): Tensor {
  const to = allocate(x.type, places.length) as Float32Array; // any of the arrays: elements are only moved
  const from = x.data as Float32Array;
  const filler = (outside?.data[0] ?? allocate(x.type, 1)[0]) as number;
  for (let i = 0; i < to.length; i++) to[i] = places[i] >= 0 ? from[places[i]] : filler;
  return new Tensor(x.type, to, shape);
}

/** The common shape after numpy broadcasting. @throws BurinError `shape` when a pair of lengths differ and neither is 1. */
export function broadcast(call: Call, shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    let length = 1;
    for (const shape of shapes) {
      const own = shape[d - rank + shape.length] ?? 1;
      if (own === length || own === 1) continue;
      if (length !== 1) fail({
        kind: 'shape', where: at(call), needs: 'shapes that broadcast', got: shapes.map((s) => `[${s}]`).join(' '),
      });
      length = own;
    }
    return length;
  });
}

/** Strides that read an array of shape `from` as if it had the broadcast shape `to`: 0 along repeated axes. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const own = stridesOf(from);
  const extra = to.length - from.length;
  return to.map((_, d) => (d < extra || from[d - extra] === 1 ? 0 : own[d - extra]));
}

/** The numbers of `x` repeated to the broadcast shape `to`; not copied when nothing repeats. */
export function spread(x: Tensor, to: Shape): ArrayLike<number> {
  const values = numbersOf(x);
  if (values.length === sizeOf(to)) return values;
  return mapNumbers(offsets(to, broadcastStrides(x.dims, to)), (place) => values[place]);
}

/** A table of operators from a table of what differs between them. */
export function rows<K extends string, Row, Op>(table: Readonly<Record<K, Row>>, op: (row: Row, name: K) => Op): Record<K, Op> {
  return Object.fromEntries(Object.entries(table).map(([name, row]) => [name, op(row as Row, name as K)])) as Record<K, Op>;
}
