import type { Graph } from '../graph/graph.ts';
import { Tensor } from '../tensor.ts';
import type { Engine, EngineOptions } from './engine.ts';
import type { Handover } from './place.ts';
import { inferShapes } from '../graph/evaluate.ts';

/** Timed runs of each probe; the least counts. */
const RUNS = 5;
/** Floats of the smallest probe. */
const FEW = 16;

/** x[length] goes in; all of it, or its first element, comes out. */
function probe(length: number, whole: boolean): Graph {
  const scalar = (value: bigint): Tensor => new Tensor('int64', BigInt64Array.of(value), [1]);
  const slice = { name: 'first', op: 'Slice', inputs: ['x', 'start', 'end'], outputs: ['y'], attrs: {} };
  const relu = { name: 'all', op: 'Relu', inputs: ['x'], outputs: ['y'], attrs: {} };
  return {
    name: 'handover', inputs: [{ name: 'x', type: 'float32', dims: [length] }],
    outputs: [{ name: 'y', type: 'float32', dims: [whole ? length : 1] }], nodes: [whole ? relu : slice],
    constants: new Map(whole ? [] : [['start', scalar(0n)], ['end', scalar(1n)]]),
  };
}

async function msOf(engine: Engine, options: EngineOptions, clock: () => number, graph: Graph): Promise<number> {
  const plan = await engine.compile({ graph, types: inferShapes(graph), parts: new Map(), given: new Map() }, options);
  const [{ dims }] = graph.inputs, feeds = { x: new Tensor('float32', new Float32Array(dims[0] as number), dims as number[]) };
  try {
    let least = Infinity;
    // The first one warms up.
    for (let i = 0; i <= RUNS; i++) {
      const start = clock();
      await plan.run(feeds);
      if (i > 0) least = Math.min(least, clock() - start);
    }
    return least;
  } finally {
    plan.dispose();
  }
}

/**
 * Times what it costs to hand arrays of up to `bytes` over to an engine and to take them back, from runs that do next to nothing else: a
 * small array, a large one of which one element comes back, a large one that comes back whole. Its single layer counts with it.
 */
export async function handoverOf(engine: Engine, bytes: number, options: EngineOptions, clock: () => number): Promise<Handover> {
  const length = Math.max(2 * FEW, Math.ceil(bytes / 4)), own = { ...options, onProgress: undefined, stays: undefined };
  const ms: number[] = [];
  for (const graph of [probe(FEW, true), probe(length, false), probe(length, true)]) ms.push(await msOf(engine, own, clock, graph));
  const [small, inward, both] = ms, moved = (length - FEW) * 4;
  return { runMs: small, inMs: Math.max(0, inward - small) / moved, outMs: Math.max(0, both - inward) / moved };
}
