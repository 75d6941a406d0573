import { expect, lookUp, show } from '../expect.ts';
import { specialize } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { readWeight, type Layer } from '../graph/layers.ts';
import { inputChannel, livenessOf, type Liveness } from '../graph/liveness.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { conventions, type Convention, type ConventionRow } from './conventions.ts';
import { countedNodes, countParams, masked, nonzerosOf, sum, type Counted, type Nonzeros } from './count.ts';
import { ratio, type Macs, type Ratio, type Speedups } from './record.ts';

/** Counting multiply-adds and parameters: formulas only, no clock. */

type Shapes = Readonly<Record<string, Shape>>;

export interface Inspection {
  readonly model: string;
  readonly convention: Convention;
  readonly totals: { readonly params: number; readonly nonzeroParams: number; readonly macs: number };
  readonly layers: readonly (Omit<LayerWork, 'macs'> & { readonly macs: number })[];
}

export interface LayerWork {
  readonly name: string;
  readonly op: string;
  /** Of the output. */
  readonly shape: Shape;
  readonly params: number;
  readonly nonzero: number;
  readonly macs: Macs;
}

export interface NetworkWork {
  readonly totals: {
    readonly params: number;
    readonly nonzeroParams: number;
    /** Nonzero parameters that are left when dead channels are taken out. */
    readonly effectiveParams: number;
    readonly compressionRatio: Ratio;
    readonly macs: Macs;
    /** Multiply-adds of the dense network whose input is in the image. */
    readonly denseInBounds: number;
    readonly theoreticalSpeedup: Speedups;
  };
  readonly layers: readonly LayerWork[];
}

/**
 * Parameters, zeros and work of a graph, layer by layer, under a named convention (default `macs`). Layers that neither
 * have parameters nor count as work are left out. `shapes` are needed for inputs with free dimensions.
 * @throws BurinError `argument` for what is no graph and for an unknown convention; as `specialize` for a graph that does not fit together.
 */
export function inspect(graph: Graph, options: { convention?: Convention | (string & {}); shapes?: Shapes } = {}): Inspection {
  expect(typeof options === 'object' && options !== null, {
    kind: 'argument', where: 'inspect options', needs: 'an object', got: show(options),
  });
  const convention = (options.convention ?? 'macs') as Convention;
  const { count } = lookUp<ConventionRow>(conventions, convention, 'convention');
  const fixed = specialize(graph, options.shapes);
  const nodes = countedNodes(fixed.graph, fixed.types);
  const nonzeros = nonzerosOf(fixed.graph, nodes);
  const layers = nodes.map((counted) => ({
    name: counted.node.name, op: counted.node.op, shape: counted.shape, ...countParams(fixed.graph, counted.params, nonzeros),
    macs: count(counted),
  })).filter(({ params, macs }) => params > 0 || macs > 0);
  const { params, nonzero } = countParams(fixed.graph, nodes.flatMap((counted) => counted.params), nonzeros);
  return { model: graph.name, convention, totals: { params, nonzeroParams: nonzero, macs: sum(layers, ({ macs }) => macs) }, layers };
}

/**
 * What the zeros of a graph promise. Multiply-adds per layer: `dense`; `masked`, of its nonzero weights; `effective`, also
 * without the weights that read a dead channel or make one nobody reads; `inBounds`, of its nonzero weights without the
 * taps on padding (its speedup is against the dense count of the same kind). A channel whose weights are all zero is a
 * constant that folds into the biases after it; where a padded convolution follows, that takes a bias for each border position.
 * @throws BurinError as `specialize` for a graph that does not fit together.
 */
export function workOf(graph: Graph, shapes: Shapes = {}): NetworkWork {
  const fixed = specialize(graph, shapes);
  const live = livenessOf(fixed.graph, fixed.types);
  const nodes = countedNodes(fixed.graph, fixed.types).filter(({ work, params }) => work.macs > 0 || params.length > 0);
  const nonzeros = nonzerosOf(fixed.graph, nodes);
  const layers = nodes.map((counted): LayerWork => ({
    name: counted.node.name, op: counted.node.op, shape: counted.shape, ...countParams(fixed.graph, counted.params, nonzeros),
    macs: macsOf(fixed.graph, counted, { live, nonzeros }),
  }));
  const macs: Macs = {
    dense: sum(layers, (layer) => layer.macs.dense), masked: sum(layers, (layer) => layer.macs.masked),
    effective: sum(layers, (layer) => layer.macs.effective), inBounds: sum(layers, (layer) => layer.macs.inBounds),
  };
  const { params, nonzero } = countParams(fixed.graph, nodes.flatMap((counted) => counted.params), nonzeros);
  const denseInBounds = sum(nodes, ({ work }) => work.inBounds);
  return {
    totals: {
      params, nonzeroParams: nonzero, effectiveParams: liveParams(fixed.graph, nodes, { live, nonzeros }),
      compressionRatio: ratio(params, nonzero), macs, denseInBounds,
      theoreticalSpeedup: {
        masked: ratio(macs.dense, macs.masked), effective: ratio(macs.dense, macs.effective), inBounds: ratio(denseInBounds, macs.inBounds),
      },
    },
    layers,
  };
}

function macsOf(graph: Graph, counted: Counted, { live, nonzeros }: { live: Liveness; nonzeros: Nonzeros }): Macs {
  const { layer, work } = counted;
  if (!layer || work.macs === 0) return { dense: work.macs, masked: work.macs, effective: work.macs, inBounds: work.inBounds };
  const left = masked(graph, counted, nonzeros).work;
  const uses = work.macs / graph.constants.get(layer.weight)!.size;
  return { dense: work.macs, masked: left.macs, effective: liveWeights(graph, layer, live) * uses, inBounds: left.inBounds };
}

/** Nonzero weights between an input channel that varies and an output channel that is needed. */
function liveWeights(graph: Graph, layer: Layer, live: Liveness): number {
  const varies = live.varies.get(layer.node.inputs[0]);
  const needed = live.needed.get(layer.node.outputs[0]);
  const weights = readWeight(graph, layer);
  const followed = varies?.length === layer.dims[1] * layer.groups && needed?.length === layer.dims[0];
  const window = layer.dims[2] * layer.dims[3];
  let count = 0;
  for (let pair = 0; pair < layer.dims[0] * layer.dims[1]; pair++) {
    if (followed && !(varies[inputChannel(layer, pair)] && needed[Math.floor(pair / layer.dims[1])])) continue;
    for (let k = pair * window; k < (pair + 1) * window; k++) if (weights[k] !== 0) count++;
  }
  return count;
}

/** Nonzero parameters without those of dead channels; a weight that several nodes share counts where it is most alive. */
function liveParams(graph: Graph, nodes: readonly Counted[], { live, nonzeros }: { live: Liveness; nonzeros: Nonzeros }): number {
  const counts = new Map<string, number>();
  for (const { node, layer, params } of nodes) {
    const flags = aliveChannels(live, node.outputs[0]);
    for (const name of params) {
      const count = name === layer?.weight
        ? liveWeights(graph, layer, live)
        : liveElements(graph.constants.get(name)!, flags, nonzeros.get(name)!);
      counts.set(name, Math.max(count, counts.get(name) ?? 0));
    }
  }
  return sum([...counts.values()], (count) => count);
}

function aliveChannels({ varies, needed }: Liveness, value: string): Uint8Array {
  const read = needed.get(value);
  return (varies.get(value) ?? new Uint8Array()).map((flag, c) => flag & (read?.[c] ?? 0));
}

/** Nonzero elements of a parameter with one value a channel, where the channel is alive; of any other, all its nonzero elements. */
function liveElements({ data }: Tensor, alive: Uint8Array, nonzero: number): number {
  if (data.length !== alive.length) return nonzero;
  return alive.reduce((count, flag, c) => count + (flag && data[c] !== 0 ? 1 : 0), 0);
}
