import { BurinError, expect, lookUp, show } from '../expect.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { fromOihw, prunableLayers, readWeight, writeWeight, type Layer } from '../graph/layers.ts';
import { randomFrom } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { chooseLayers, namesOf } from './choose.ts';
import { countings, type Counting } from './counting.ts';
import { criteria, type Context, type Criterion, type Scores } from './criteria/criteria.ts';
import { evidenceFor, type Evidence } from './criteria/evidence.ts';
import { extentsOf, type Extents } from './granularities.ts';
import { gridOf, keptWeights, reductions, scoreGroups, type Reduction } from './groups.ts';
import { applyMask, fromZeros, maskFrom, statistics, type Mask } from './masks/mask.ts';
import { checkOptions, type PruneOptions } from './options.ts';
import type { Ranked } from './rank.ts';
import type { Candidate, ScopeRule } from './scopes.ts';
import { countOnes } from './select.ts';
import { dividedAs, type Division } from './divide.ts';

export interface PrunedLayer {
  readonly name: string;
  /** Name of its weight, the key of its mask. */
  readonly weight: string;
  /** Fraction of the weights that is dropped, 0 … 1. */
  readonly sparsity: number;
  readonly kept: number;
  readonly total: number;
  /** Groups in all and dropped; absent for a layer that was refused. */
  readonly groups?: { readonly total: number; readonly dropped: number };
  /** Groups that stay though they score like one that goes: the order of the weights decided. Absent where there are none. */
  readonly ties?: number;
  /** More would have gone but for the option `floor`. */
  readonly floored?: true;
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
interface Job extends Omit<Division, 'criterion'> {
  readonly graph: Graph;
  readonly criterion: Criterion;
  readonly extents: Extents;
  readonly reduction: Reduction;
  readonly seed: number;
  readonly evidence?: Evidence;
  readonly counting: Counting;
  readonly floor: number;
}

/** What becomes of one layer. */
interface Decision {
  readonly layer: Layer;
  readonly mask: Mask;
  readonly weights: Tensor<Float32Array>;
  readonly about: Pick<PrunedLayer, 'groups' | 'ties' | 'floored'>;
}

/**
 * Drops the groups of weights that score lowest: exactly round-half-even(s · n) of n (option `counting` counts as other libraries do),
 * ties to the lowest flat index (to the lowest layer first where layers are ranked together). What is zero already counts as dropped,
 * goes first and stays dropped. `graph` is not modified; what is not pruned is shared with it.
 *
 * @throws BurinError `argument` for a graph that is none, options that do not exist or do not fit and evidence that is not there, `shape`
 * for a layer that does not fit (unless `strict` is false).
 */
export function prune(graph: Graph, options: PruneOptions): Pruned {
  expectGraph(graph);
  checkOptions(options);
  const layers = layersToPrune(graph, options);
  const refusals = new Map<Layer, string>(), extents = extentsOf(options.granularity ?? 'weight'), { strict = true } = options;
  const division = dividedAs(graph, options, (rule) => layers.filter((layer) => fits(layer, { rule, extents, strict, refusals })));
  const job = jobOf(graph, division, { ...options, extents });
  const decided = new Map<string, Decision>(), constants = new Map(graph.constants);
  for (const batch of job.batches) {
    for (const decision of decide(batch, job)) {
      constants.set(decision.layer.weight, decision.weights);
      decided.set(decision.layer.weight, decision);
    }
  }
  const report = layers.map((layer) => rowOf(graph, layer, { decision: decided.get(layer.weight), refused: refusals.get(layer) }));
  const masks = new Map([...decided].map(([name, { mask }]) => [name, mask]));
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

function jobOf(graph: Graph, division: Division, options: PruneOptions & { extents: Extents }): Job {
  const { criterion = division.criterion, extents, reduction = 'mean', seed = 0, evidence, counting = 'exact', floor = 0 } = options;
  lookUp(reductions, reduction, 'reduction');
  return {
    ...division, graph, extents, reduction, seed, evidence, floor,
    criterion: typeof criterion === 'string' ? lookUp<Criterion>(criteria, criterion, 'criterion') : criterion,
    counting: lookUp<Counting>(countings, counting, 'counting'),
  };
}

interface Fitting {
  readonly rule: ScopeRule;
  readonly extents: Extents;
  readonly strict: boolean;
  readonly refusals: Map<Layer, string>;
}

/** Whether the scope can rank the layer; if not, throws or writes the reason into `refusals`. */
function fits(layer: Layer, { rule, extents, strict, refusals }: Fitting): boolean {
  try {
    rule.check?.(layer, gridOf(layer.dims, extents));
    return true;
  } catch (error) {
    if (strict || !(error instanceof BurinError) || error.kind !== 'shape') throw error;
    refusals.set(layer, error.message);
    return false;
  }
}

/** What becomes of layers that are ranked together. Their scores are gone before the weights of the first are written. */
function* decide(layers: readonly Layer[], job: Job): Generator<Decision> {
  const { marks, ties, floored } = chosen(layers, job);
  for (const [i, layer] of layers.entries()) yield decision(layer, job, { marks: marks[i], ties: ties[i], floored: floored[i] });
}

function chosen(layers: readonly Layer[], job: Job): Ranked {
  return job.rule.choose(layers.map((layer) => candidateOf(layer, job)), job);
}

function candidateOf(layer: Layer, job: Job): Candidate {
  const weights = readWeight(job.graph, layer), grid = gridOf(layer.dims, job.extents);
  const scores = job.criterion.score(weights, contextOf(layer, job));
  const odd = indexOfNaN(scores);
  expect(odd < 0, {
    kind: 'model', where: `${layer.weight} [${layer.dims.join(', ')}]`, needs: 'scores that are numbers', got: `NaN at ${odd}`,
    remedy: 'look for NaN among the weights',
  });
  const groups = scoreGroups(grid, weights, scores, job.reduction);
  return { layer, grid, sparsity: job.sparsityOf(layer), scores: job.rescale?.(groups) ?? groups };
}

function contextOf(layer: Layer, { criterion, seed, evidence }: Job): Context {
  return { layer, random: randomFrom(seed, layer.weight), evidence: evidenceFor(layer, criterion.needs ?? [], evidence) };
}

function indexOfNaN(scores: Scores): number {
  for (let i = 0; i < scores.length; i++) if (scores[i] !== scores[i]) return i;
  return -1;
}

function decision(layer: Layer, job: Job, { marks, ties, floored }: { marks: Uint8Array; ties: number; floored: boolean }): Decision {
  const { graph, criterion, rule } = job, whole = weightOf(graph, layer);
  const kept = keptWeights(gridOf(layer.dims, job.extents), marks), mask = maskFrom(fromOihw(kept, layer), whole.dims);
  const dropped = (): Uint8Array => kept.map((keep) => keep ^ 1);
  const weights = criterion.compensate
    ? writeWeight(graph, layer, criterion.compensate(readWeight(graph, layer), dropped(), contextOf(layer, job)))
    : applyMask(mask, whole);
  return {
    layer, weights, mask: rule.fixed === undefined ? fromZeros(weights) : mask,
    about: {
      groups: { total: marks.length, dropped: countOnes(marks) },
      ...(ties > 0 && { ties }), ...(floored && { floored }),
    },
  };
}

function weightOf(graph: Graph, layer: Layer): Tensor<Float32Array> {
  return graph.constants.get(layer.weight) as Tensor<Float32Array>;
}

function rowOf(graph: Graph, layer: Layer, { decision, refused }: { decision?: Decision; refused?: string }): PrunedLayer {
  const mask = decision?.mask ?? fromZeros(weightOf(graph, layer));
  return { name: layer.name, weight: layer.weight, ...statistics(mask), ...decision?.about, ...(refused !== undefined && { refused }) };
}
