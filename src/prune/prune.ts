import { BurinError, expect, lookUp, show } from '../expect.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { fromOihw, prunableLayers, readWeight, type Layer } from '../graph/layers.ts';
import { randomFrom } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { chooseLayers, namesOf } from './choose.ts';
import { criteria, type Criterion } from './criteria.ts';
import { extentsOf, type Extents } from './granularities.ts';
import { gridOf, keptWeights, reductions, scoreGroups, type Reduction } from './groups.ts';
import { applyMask, fromZeros, maskFrom, statistics, type Mask } from './mask.ts';
import { checkOptions, type PruneOptions } from './options.ts';
import { scopeRule, type Candidate, type ScopeRule } from './scopes.ts';

export interface PrunedLayer {
  readonly name: string;
  /** Name of its weight, the key of its mask. */
  readonly weight: string;
  /** Fraction of the weights that is dropped, 0 … 1. */
  readonly sparsity: number;
  readonly kept: number;
  readonly total: number;
  /** Why the layer was left as it was. */
  readonly refused?: string;
}

export interface Pruned {
  /** The same network with zeros in its weights, which stay dense tensors. */
  readonly graph: Graph;
  /** By weight name; a layer that was refused has none. */
  readonly masks: ReadonlyMap<string, Mask>;
  /** One row for each chosen layer, in execution order. */
  readonly report: readonly PrunedLayer[];
}

/** Everything a run needs to know, checked. */
interface Job {
  readonly graph: Graph;
  readonly criterion: Criterion;
  readonly extents: Extents;
  readonly rule: ScopeRule;
  readonly reduction: Reduction;
  readonly seed: number;
  readonly sparsityOf: (layer: Layer) => number;
}

/**
 * Drops the groups of weights that score lowest: exactly round-half-even(s · n) of n, ties to the lowest flat index
 * (to the lowest layer first under scope model). What is zero already counts as dropped, goes first and stays dropped.
 * `graph` is not modified; what is not pruned is shared with it.
 *
 * @throws BurinError `argument` for a graph that is none and options that do not exist or do not fit, `shape` for a layer that
 * does not (unless `strict` is false).
 */
export function prune(graph: Graph, options: PruneOptions): Pruned {
  expectGraph(graph);
  checkOptions(options);
  const rule = scopeRule(options.scope ?? 'layer');
  const layers = layersToPrune(graph, options);
  const job = jobOf(graph, rule, options);
  const refusals = new Map<Layer, string>();
  const fitting = layers.filter((layer) => fits(layer, job, { strict: options.strict ?? true, refusals }));
  const masks = new Map<string, Mask>();
  const constants = new Map(graph.constants);
  for (const batch of rule.together ? [fitting] : fitting.map((layer) => [layer])) {
    for (const [layer, mask] of masksOf(batch, job)) {
      const pruned = applyMask(mask, weightOf(graph, layer));
      constants.set(layer.weight, pruned);
      masks.set(layer.weight, rule.fixed === undefined ? fromZeros(pruned) : mask);
    }
  }
  const report = layers.map((layer) => rowOf(layer, masks.get(layer.weight) ?? fromZeros(weightOf(graph, layer)), refusals.get(layer)));
  return { graph: { ...graph, constants }, masks, report };
}

function layersToPrune(graph: Graph, options: PruneOptions): Layer[] {
  const all = prunableLayers(graph);
  const layers = chooseLayers(all, options);
  const { sparsity } = options;
  if (typeof sparsity !== 'object' || sparsity === null) return layers;
  const unknown = Object.keys(sparsity).filter((name) => !all.some((layer) => layer.name === name));
  expect(unknown.length === 0, { kind: 'argument', where: 'option sparsity', needs: `layers among ${namesOf(all)}`, got: show(unknown) });
  return layers.filter((layer) => Object.hasOwn(sparsity, layer.name));
}

function jobOf(graph: Graph, rule: ScopeRule, options: PruneOptions): Job {
  const { criterion = 'magnitude', granularity = 'weight', reduction = 'mean', seed = 0 } = options;
  lookUp(reductions, reduction, 'reduction');
  return {
    graph, rule, reduction, seed,
    criterion: typeof criterion === 'string' ? lookUp<Criterion>(criteria, criterion, 'criterion') : criterion,
    extents: extentsOf(granularity),
    sparsityOf: sparsityRule(rule, options.sparsity),
  };
}

function sparsityRule(rule: ScopeRule, sparsity: PruneOptions['sparsity']): (layer: Layer) => number {
  const where = 'option sparsity';
  if (rule.fixed !== undefined) {
    const fixed = rule.fixed;
    expect(sparsity === undefined || sparsity === fixed, {
      kind: 'argument', where, needs: `${fixed} or nothing, as the scope decides it`, got: show(sparsity),
    });
    return () => fixed;
  }
  expect(sparsity !== undefined && sparsity !== null, { kind: 'argument', where, needs: 'a fraction 0 … 1', got: 'nothing' });
  expect(typeof sparsity === 'number' || !rule.together, {
    kind: 'argument', where, needs: 'one number, as all layers are ranked together', got: 'a table',
  });
  for (const [name, value] of typeof sparsity === 'number' ? [['all layers', sparsity] as const] : Object.entries(sparsity)) {
    expect(typeof value === 'number' && value >= 0 && value <= 1, {
      kind: 'argument', where: `${where}, ${name}`, needs: 'a fraction 0 … 1', got: show(value),
    });
  }
  return (layer) => (typeof sparsity === 'number' ? sparsity : sparsity[layer.name]);
}

/** Whether the scope can rank the layer; if not, throws or writes the reason into `refusals`. */
function fits(layer: Layer, { rule, extents }: Job, { strict, refusals }: { strict: boolean; refusals: Map<Layer, string> }): boolean {
  try {
    rule.check(layer, gridOf(layer.dims, extents));
    return true;
  } catch (error) {
    if (strict || !(error instanceof BurinError) || error.kind !== 'shape') throw error;
    refusals.set(layer, error.message);
    return false;
  }
}

/** The masks of layers that are ranked together, in the order of the stored weights. */
function masksOf(layers: readonly Layer[], job: Job): [Layer, Mask][] {
  if (layers.length === 0) return [];
  const candidates = layers.map((layer) => candidateOf(layer, job));
  const dropped = job.rule.choose(candidates);
  return candidates.map(({ layer, grid }, i) => {
    const kept = fromOihw(keptWeights(grid, dropped[i]), layer);
    return [layer, maskFrom(kept, weightOf(job.graph, layer).dims)];
  });
}

function candidateOf(layer: Layer, { graph, criterion, extents, reduction, seed, sparsityOf }: Job): Candidate {
  const weights = readWeight(graph, layer);
  const grid = gridOf(layer.dims, extents);
  const scores = criterion.score(weights, { layer, random: randomFrom(seed, layer.weight) });
  const odd = scores.findIndex(Number.isNaN);
  expect(odd < 0, {
    kind: 'model', where: `${layer.weight} [${layer.dims.join(', ')}]`, needs: 'scores that are numbers', got: `NaN at ${odd}`,
    remedy: 'look for NaN among the weights',
  });
  return { layer, grid, sparsity: sparsityOf(layer), scores: scoreGroups(grid, weights, scores, reduction) };
}

function weightOf(graph: Graph, layer: Layer): Tensor<Float32Array> {
  return graph.constants.get(layer.weight) as Tensor<Float32Array>;
}

function rowOf(layer: Layer, mask: Mask, refused: string | undefined): PrunedLayer {
  return { name: layer.name, weight: layer.weight, ...statistics(mask), ...(refused === undefined ? {} : { refused }) };
}
