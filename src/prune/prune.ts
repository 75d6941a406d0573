import { BurinError, expect, lookUp, show } from '../expect.ts';
import { expectGraph } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { fromOihw, prunableLayers, readWeight, writeWeight, type Layer } from '../graph/layers.ts';
import { randomFrom } from '../random.ts';
import type { Tensor } from '../tensor.ts';
import { byWeight, chooseLayers } from './choose.ts';
import { countings, type Counting } from './counting.ts';
import { criterionFrom, scored } from './criteria/ask.ts';
import type { Context, Criterion, Scores } from './criteria/criteria.ts';
import { evidenceFor, type Evidence } from './criteria/evidence.ts';
import { extentsOf, type Granularity } from './granularities.ts';
import { gridFor, keptWeights, reductions, scoreGroups, type Reduction } from './groups.ts';
import { applyMask, fromZeros, maskFrom, statistics, type Mask } from './masks/mask.ts';
import { checkOptions, type PruneOptions } from './options.ts';
import type { Ranked } from './rank.ts';
import type { Candidate, ScopeRule } from './scopes.ts';
import { countOnes } from './select.ts';
import { dividedAs, type Division } from './divide.ts';

/** What became of one layer; `sparsity`, `kept` and `total` count weights, and zeros that were there before as dropped. */
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
  /** Nothing is left of the layer: its outputs no longer depend on its inputs. */
  readonly emptied?: true;
  /** More would have gone but for the option `floor`. */
  readonly floored?: true;
  /** Why the layer was left as it was. */
  readonly refused?: string;
}

/** What {@link prune} returns. */
export interface Pruned {
  /** The same network with zeros in its weights, which stay dense tensors. */
  readonly graph: Graph;
  /**
   * By weight name; a layer that was refused has none. What is zero is dropped, except under N:M, whose masks keep exactly N of every M
   * and so may keep a zero.
   */
  readonly masks: ReadonlyMap<string, Mask>;
  /** One row for each chosen layer, in execution order. */
  readonly report: readonly PrunedLayer[];
}

/** Everything a run needs to know, checked. */
interface Job extends Omit<Division, 'criterion'> {
  readonly graph: Graph;
  readonly criterion: Criterion;
  readonly granularity: Granularity;
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
 * goes first and stays dropped. N:M keeps exactly N of every M, among equals the first (which is where a format of N:M has them), and of
 * a window with fewer nonzeros than N zeros as well. `graph` is not modified; what is not pruned is shared with it.
 *
 * @throws BurinError `argument` for a graph that is none, options that do not exist or do not fit and evidence that is not there, `shape`
 * for a layer that does not fit (unless `strict` is false).
 */
export function prune(graph: Graph, options: PruneOptions): Pruned {
  expectGraph(graph);
  checkOptions(options);
  const layers = layersToPrune(graph, options);
  const refusals = new Map<Layer, string>(), { granularity = 'weight', strict = true } = options;
  extentsOf(granularity); // refuses what there is not, before any layer is looked at
  const division = dividedAs(graph, options, (rule) => layers.filter((layer) => fits(layer, { rule, granularity, strict, refusals })));
  const job = jobOf(graph, division, options);
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
  const asked = byWeight(all, sparsity, 'option sparsity');
  return layers.filter(({ weight }) => asked.has(weight));
}

function jobOf(graph: Graph, division: Division, options: PruneOptions): Job {
  const { criterion = division.criterion, granularity = 'weight', reduction = 'mean', counting = 'exact' } = options;
  const { seed = 0, evidence, floor = 0 } = options;
  lookUp(reductions, reduction, 'reduction');
  return {
    ...division, graph, granularity, reduction, seed, evidence, floor,
    criterion: criterionFrom(criterion),
    counting: lookUp<Counting>(countings, counting, 'counting'),
  };
}

interface Fitting {
  readonly rule: ScopeRule;
  readonly granularity: Granularity;
  readonly strict: boolean;
  readonly refusals: Map<Layer, string>;
}

/** Whether the scope can rank the layer; if not, throws or writes the reason into `refusals`. */
function fits(layer: Layer, { rule, granularity, strict, refusals }: Fitting): boolean {
  try {
    rule.check?.(layer, gridFor(layer, granularity));
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
  const weights = readWeight(job.graph, layer), grid = gridFor(layer, job.granularity);
  const scores = scored(job.criterion, weights, contextOf(layer, job));
  checkNumbers(layer, scores, '');
  const groups = scoreGroups(grid, weights, scores, job.reduction);
  checkNumbers(layer, groups, 'group ');
  return { layer, grid, sparsity: job.sparsityOf(layer), scores: job.rescale ? rescaled(layer, groups, job.rescale) : groups };
}

/** What an allocation makes of the scores of a layer's groups, checked as what a criterion gives. */
function rescaled(layer: Layer, groups: Scores, rescale: NonNullable<Job['rescale']>): Scores {
  const given: unknown = rescale(groups), fits = Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView));
  const scores = given as ArrayLike<number>;
  expect(fits && scores.length === groups.length, {
    kind: 'argument', where: `rescale of ${layer.weight}`, needs: `${groups.length} scores, as many as it was given`,
    got: fits ? `${scores.length}` : show(given),
  });
  const checked = scores instanceof Float32Array || scores instanceof Float64Array ? scores : Float64Array.from(scores);
  checkNumbers(layer, checked, 'rescaled group ');
  return checked;
}

function contextOf(layer: Layer, { criterion, seed, evidence }: Job): Context {
  return { layer, random: randomFrom(seed, layer.weight), evidence: evidenceFor(layer, criterion.needs ?? [], evidence) };
}

/** Of both infinities in one group comes no number either. */
function checkNumbers({ weight, dims }: Layer, scores: Scores, what: string): void {
  let odd = 0;
  while (odd < scores.length && scores[odd] === scores[odd]) odd++;
  expect(odd === scores.length, {
    kind: 'model', where: `${weight} [${dims.join(', ')}]`, needs: 'scores that are numbers', got: `NaN at ${what}${odd}`,
    remedy: 'look for NaN among the weights',
  });
}

function decision(layer: Layer, job: Job, { marks, ties, floored }: { marks: Uint8Array; ties: number; floored: boolean }): Decision {
  const { graph, criterion, rule } = job, whole = weightOf(graph, layer);
  const kept = keptWeights(gridFor(layer, job.granularity), marks), mask = maskFrom(fromOihw(kept, layer), whole.dims);
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
  const numbers = statistics(mask), emptied = decision !== undefined && numbers.kept === 0 && numbers.total > 0;
  return {
    name: layer.name, weight: layer.weight, ...numbers, ...decision?.about, ...(emptied && { emptied }),
    ...(refused !== undefined && { refused }),
  };
}
