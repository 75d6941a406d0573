import { numbersOf, stridesOf, type Tensor } from '../../tensor.ts';
import { like, offsets, result, rows } from './elements.ts';
import { axisOf, data, input, num, numbers, type Call, type Op } from './op.ts';
import type { Typed } from '../graph.ts';

/** A fold along the reduced axes: `step` meets every element, `end` sees how many there were. */
interface Reduction {
  readonly start: number;
  readonly step: (sofar: number, x: number) => number;
  readonly end?: (sofar: number, count: number) => number;
}

const add = (sum: number, x: number) => sum + x;
const addSquare = (sum: number, x: number) => sum + x * x;

const reductions = {
  ReduceSum: { start: 0, step: add },
  ReduceMean: { start: 0, step: add, end: (sum, count) => sum / count },
  ReduceMax: { start: -Infinity, step: Math.max },
  ReduceMin: { start: Infinity, step: Math.min },
  ReduceProd: { start: 1, step: (product, x) => product * x },
  ReduceL1: { start: 0, step: (sum, x) => sum + Math.abs(x) },
  ReduceL2: { start: 0, step: addSquare, end: Math.sqrt },
  ReduceSumSquare: { start: 0, step: addSquare },
  ReduceLogSum: { start: 0, step: add, end: Math.log },
  ReduceLogSumExp: { start: 0, step: (sum, x) => sum + Math.exp(x), end: Math.log },
} satisfies Record<string, Reduction>;

/** Which axes go: input 1, else all of them (or none with noop_with_empty_axes). */
export function reducedAxes(call: Call): Set<number> {
  const rank = input(call, 0).shape.length;
  const given = numbers(call, 1) ?? [];
  if (given.length > 0) return new Set(given.map((axis) => axisOf(call, axis, rank)));
  return new Set(num(call, 'noop_with_empty_axes', 0) ? [] : Array.from({ length: rank }, (_, d) => d));
}

function reducedShape(call: Call, axes: ReadonlySet<number>): number[] {
  const { shape } = input(call, 0);
  return num(call, 'keepdims', 1) ? shape.map((length, d) => (axes.has(d) ? 1 : length)) : shape.filter((_, d) => !axes.has(d));
}

/** Where every result's row starts, and where its elements lie from there. */
function split(call: Call, axes: ReadonlySet<number>): { starts: Float64Array; along: Float64Array } {
  const { shape } = input(call, 0);
  const strides = stridesOf(shape);
  const part = (inside: boolean) => {
    const own = (all: readonly number[]) => all.filter((_, d) => axes.has(d) === inside);
    return offsets(own(shape), own(strides));
  };
  return { starts: part(false), along: part(true) };
}

function infer(call: Call): Typed[] {
  return [{ ...like(call), shape: reducedShape(call, reducedAxes(call)) }];
}

function run(call: Call, { start, step, end }: Reduction): Tensor[] {
  const [{ type, shape }] = infer(call);
  const x = numbersOf(data(call, 0));
  const { starts, along } = split(call, reducedAxes(call));
  const out = new Float64Array(starts.length);
  for (let o = 0; o < out.length; o++) {
    let sofar = start;
    for (let i = 0; i < along.length; i++) sofar = step(sofar, x[starts[o] + along[i]]);
    out[o] = end ? end(sofar, along.length) : sofar;
  }
  return [result(type, shape, out)];
}

/** Whether `x` replaces the best value so far. */
type Better = (x: number, best: number) => boolean;
const searches = { ArgMax: (x, best) => x > best, ArgMin: (x, best) => x < best } satisfies Record<string, Better>;

const searchAxis = (call: Call) => new Set([axisOf(call, num(call, 'axis', 0), input(call, 0).shape.length)]);

/** The place of the best element along one axis; the first of equals, or with select_last_index the last. */
function runSearch(call: Call, better: Better): Tensor[] {
  const x = numbersOf(data(call, 0));
  const last = num(call, 'select_last_index', 0) !== 0;
  const axes = searchAxis(call);
  const { starts, along } = split(call, axes);
  const places = starts.map((start) => {
    let best = 0;
    for (let i = 1; i < along.length; i++) {
      const [now, before] = [x[start + along[i]], x[start + along[best]]];
      if (better(now, before) || (last && now === before)) best = i;
    }
    return best;
  });
  return [result('int64', reducedShape(call, axes), places)];
}

export const reduce = {
  ...rows(reductions, (row: Reduction): Op => ({ inputs: [1, 2], infer, run: (call) => run(call, row) })),
  ...rows(searches, (better: Better): Op => ({
    inputs: [1, 1],
    infer: (call) => [{ type: 'int64', shape: reducedShape(call, searchAxis(call)) }],
    run: (call) => runSearch(call, better),
  })),
} satisfies Record<string, Op>;
