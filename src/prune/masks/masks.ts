import { expect, fail, show } from '../../expect.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import { sameShape, sizeOf, type Tensor } from '../../tensor.ts';
import { compareMask, sharedFrom, type Shared } from './algebra.ts';
import { applyMask, checkMask, fromZeros, statistics, unpackMask, type Mask, type MaskStatistics } from './mask.ts';

// Masks of a whole network, by the name of the weight.

/** Masks by the name of the weight among the constants of a graph. */
export type Masks = ReadonlyMap<string, Mask>;

/** @throws BurinError `argument` for what is no map of masks, `shape` for a mask whose bits do not fit its shape */
export function checkMasks(masks: Masks, where: string): void {
  expect(masks instanceof Map, { kind: 'argument', where, needs: 'a Map of masks by weight name', got: show(masks) });
  for (const [name, mask] of masks) {
    expect(typeof name === 'string', { kind: 'argument', where, needs: 'names of weights', got: show(name) });
    checkMask(mask, `${where}, mask ${show(name)}`);
  }
}

/** The masks that the prunable layers of a graph show by their zeros, in execution order. @throws BurinError `argument` for no graph */
export function masksOf(graph: Graph): Map<string, Mask> {
  expectGraph(graph);
  return new Map(prunableLayers(graph).map(({ weight }) => [weight, fromZeros(weightOf(graph, weight))]));
}

const weightOf = (graph: Graph, name: string): Tensor<Float32Array> => graph.constants.get(name) as Tensor<Float32Array>;

/**
 * The same network with zeros where the masks drop. `graph` is not modified; a weight that loses nothing is shared with it.
 * A mask may belong to any float32 constant, so that biases can be masked too.
 * @throws BurinError `argument` for a mask whose name is no constant, `dtype` for a constant that is not float32, `shape` where shapes
 * differ; `matchMasks` brings names and layouts of other tools into line first
 */
export function applyMasks(graph: Graph, masks: Masks): Graph {
  expectGraph(graph);
  checkMasks(masks, 'applyMasks');
  const constants = new Map(graph.constants);
  for (const [name, mask] of masks) {
    const tensor = constantFor(graph, name, mask);
    if (statistics(mask).kept < tensor.size) constants.set(name, applyMask(mask, tensor));
  }
  return { ...graph, constants };
}

function constantFor(graph: Graph, name: string, mask: Mask): Tensor<Float32Array> {
  const tensor = graph.constants.get(name);
  if (!tensor) {
    const names = someNames(prunableLayers(graph).map(({ weight }) => weight));
    return fail({ kind: 'argument', where: `mask ${show(name)}`, needs: `a weight among ${names}`, got: 'a name the network does not have',
      remedy: 'matchMasks finds weights whose names differ' });
  }
  expect(tensor.type === 'float32', { kind: 'dtype', where: `mask ${show(name)}`, needs: 'a float32 weight', got: tensor.type });
  expect(sameShape(tensor.dims, mask.dims), {
    kind: 'shape', where: `mask ${show(name)}`, needs: `the shape of its weight, [${tensor.dims.join(', ')}]`,
    got: `[${mask.dims.join(', ')}]`, remedy: 'matchMasks turns masks of another layout',
  });
  return tensor as Tensor<Float32Array>;
}

const MOST_NAMES = 8;

/** The first few names, for an error message. */
export function someNames(names: readonly string[]): string {
  return names.slice(0, MOST_NAMES).join(', ') + (names.length > MOST_NAMES ? `, … (${names.length})` : '');
}

/** What one mask keeps: weights, output channels, windows. */
export interface MaskRow extends MaskStatistics {
  /** Name of the weight, or `total`. */
  readonly name: string;
  /** Output channels, and how many of them keep a weight. */
  readonly filters: number;
  readonly liveFilters: number;
  /** (output, input) pairs of channels, and how many of them keep a weight. */
  readonly kernels: number;
  readonly liveKernels: number;
}

/** What {@link maskReport} returns: a row for each mask, in their order, and the sums. */
export interface MaskReport {
  readonly rows: readonly MaskRow[];
  readonly total: MaskRow;
}

/**
 * What masks keep, a row each and in all. Filters and kernels are counted as [O, I, window], unless the network is given, which knows how
 * its weights lie.
 * @throws BurinError `argument` for what are no masks or is no graph, `shape` for a mask whose bits do not fit
 */
export function maskReport(masks: Masks, graph?: Graph): MaskReport {
  checkMasks(masks, 'maskReport');
  if (graph !== undefined) expectGraph(graph);
  const layers = new Map((graph ? prunableLayers(graph) : []).map((layer) => [layer.weight, layer]));
  const rows = Array.from(masks, ([name, mask]) => ({ name, ...statistics(mask), ...channelsOf(mask, layers.get(name)) }));
  const sum = (key: Exclude<keyof MaskRow, 'name' | 'sparsity'>): number => rows.reduce((all, row) => all + row[key], 0);
  const [total, kept] = [sum('total'), sum('kept')];
  return {
    rows,
    total: {
      name: 'total', total, kept, sparsity: total === 0 ? 0 : 1 - kept / total, filters: sum('filters'), liveFilters: sum('liveFilters'),
      kernels: sum('kernels'), liveKernels: sum('liveKernels'),
    },
  };
}

type Channels = Pick<MaskRow, 'filters' | 'liveFilters' | 'kernels' | 'liveKernels'>;

/** The stored order is [groups, a, b, window]: a counts outputs and b inputs, or the other way round. */
function channelsOf(mask: Mask, layer: Layer | undefined): Channels {
  const [groups, a, b] = layer?.orientation === 'iohw' ? [layer.groups, layer.dims[1], layer.dims[0] / layer.groups]
    : [1, mask.dims[0] ?? 1, mask.dims[1] ?? 1];
  const swapped = layer?.orientation === 'iohw', outputs = swapped ? b : a, kernels = groups * a * b;
  const window = kernels === 0 ? 0 : sizeOf(mask.dims) / kernels, kept = unpackMask(mask);
  const alive = new Uint8Array(groups * outputs);
  let liveKernels = 0;
  for (let kernel = 0, at = 0; kernel < kernels; kernel++, at += window) {
    const first = kept.indexOf(1, at);
    if (first < 0) break;
    if (first >= at + window) {
      // Jumps over what is empty, so that the search is one pass.
      const skipped = Math.floor((first - at) / window);
      kernel += skipped;
      at += skipped * window;
    }
    liveKernels++;
    alive[swapped ? Math.floor(kernel / (a * b)) * b + (kernel % b) : Math.floor(kernel / b)] = 1;
  }
  return { filters: groups * outputs, liveFilters: alive.reduce((sum, one) => sum + one, 0), kernels, liveKernels };
}

/** What {@link compareMasks} returns: numbers of weights, for each weight and in all. */
export interface ComparedMasks {
  readonly rows: readonly (Shared & { readonly name: string })[];
  readonly total: Shared;
}

/**
 * What two sets of masks of one network keep together and alone: by weight, in the order of the first, and in all. The masks of `a` lie
 * inside those of `b` where `total.onlyFirst` is 0.
 * @throws BurinError `argument` for what are no masks and where the names differ, `shape` where shapes do
 */
export function compareMasks(a: Masks, b: Masks): ComparedMasks {
  for (const masks of [a, b]) checkMasks(masks, 'compareMasks');
  const alone = [...[...a.keys()].filter((name) => !b.has(name)), ...[...b.keys()].filter((name) => !a.has(name))];
  expect(alone.length === 0, {
    kind: 'argument', where: 'compareMasks', needs: 'masks of the same weights', got: `${someNames(alone)} in one of them`,
  });
  const rows = Array.from(a, ([name, mask]) => ({ name, ...compareMask(mask, b.get(name)!) }));
  const sum = (key: 'both' | 'onlyFirst' | 'onlySecond'): number => rows.reduce((all, row) => all + row[key], 0);
  return { rows, total: sharedFrom(sum('both'), sum('onlyFirst'), sum('onlySecond')) };
}
