import { expect, fail, lookUp, show } from '../../expect.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import { roundHalfEven } from '../../graph/ops/unary.ts';
import { byWeight, chooseLayers, namesOf } from '../choose.ts';
import { fromZeros, statistics } from '../masks/mask.ts';
import { checkOptions, type PruneOptions } from '../options.ts';
import type { Pruned, PrunedLayer } from '../prune.ts';
import { countOnes, smallest } from '../select.ts';
import type { Tensor } from '../../tensor.ts';
import { couplingOf } from './coupling.ts';
import { groupsOf, type ChannelGroup } from './groups.ts';
import { filterScores, setScores } from './scores.ts';
import { sized, type Shapes } from './sizes.ts';
import { zeroed } from './zero.ts';

/** Options of {@link pruneChannels}; those that `prune` has too mean the same. Sparsity is a fraction 0 … 1 of the channel sets. */
export interface PruneChannelsOptions
  extends Pick<PruneOptions, 'criterion' | 'sparsity' | 'evidence' | 'layers' | 'exclude' | 'reduction' | 'seed'> {
  /** What is ranked together: the sets of each group (default), or of all groups. */
  readonly scope?: 'layer' | 'model';
  /** Shapes of inputs with free dimensions; an example is taken where they are not given. */
  readonly shapes?: Shapes;
}

const known = {
  criterion: true, sparsity: true, evidence: true, layers: true, exclude: true, reduction: true, seed: true, scope: true, shapes: true,
} satisfies Record<keyof PruneChannelsOptions, true>;

/** A group that may lose sets, with the layers that make its channels. */
interface Candidate {
  readonly group: ChannelGroup;
  readonly makers: readonly Layer[];
  readonly sparsity: number;
}

/** Marks (1) the sets to drop of each candidate, and those that would have gone but for being the last. */
type Choice = { readonly marks: Uint8Array[]; readonly floored: boolean[] };

/**
 * Structured pruning: of each dependency group (see {@link channelGroups}) exactly round-half-even(s · n) of its n channel sets die, those
 * that score lowest; ties go to the lowest channel. A set's score is the mean over its filters in all layers that make it; a filter's is
 * the mean (option `reduction`) of its weights' scores over the mean of its layer's filters, so that layers, and under scope `model`
 * groups, count alike. What dies is zero in all its makers: the filters' weights and biases, γ and β of normalisations and constants added
 * behind them, so that the channel is 0 after every activation with f(0) = 0, and a constant after others. {@link removeChannels} takes
 * them out. Outputs of the network stay whole, and so does a group that would lose all its sets: the report says so.
 *
 * @throws BurinError `argument` for a graph that is none and options that do not exist or do not fit; as `specialize` for a graph that
 * cannot be run.
 */
export function pruneChannels(graph: Graph, given: PruneChannelsOptions = {}): Pruned {
  expectGraph(graph);
  for (const name of Object.keys(given ?? {})) lookUp<true>(known, name, 'pruneChannels options');
  const { shapes, ...options } = given ?? {};
  checkOptions(options);
  const { scope = 'layer' } = options, rule = lookUp(choosers, scope, 'scope');
  const { layers, sparsityOf } = layersFor(graph, options), refusals = new Map<string, string>();
  const groups = groupsOf(couplingOf(sized(graph, shapes)));
  const candidates = groups.flatMap((group) => candidateOf(group, { graph, layers, sparsityOf, refusals }));
  const filters = new Map(layers.map((layer) => [layer.name, filterScores(graph, layer, options)]));
  const scores = candidates.map(({ group }) => setScores(group, filters));
  const { marks, floored } = rule(candidates, scores, (candidate, why) => refuse(candidate, why, refusals));
  const pruned = zeroed(graph, candidates.map(({ group }, i) => ({ group, marks: marks[i] })));
  const counted = (layer: Layer) => candidates.flatMap(({ makers }, i) => (makers.includes(layer) ? [i] : []));
  const report = layers.map((layer) => rowOf(pruned, layer, {
    refused: refusals.get(layer.name), marks: counted(layer).map((i) => marks[i]), floored: counted(layer).some((i) => floored[i]),
  }));
  // Biases, γ and β die too: with masks of weights alone other networks would come of them.
  const changed = [...pruned.constants].filter(([name, tensor]) => graph.constants.has(name) && tensor !== graph.constants.get(name));
  const masks = new Map(changed.map(([name, tensor]) => [name, fromZeros(tensor as Tensor<Float32Array>)]));
  return { graph: pruned, masks, report };
}

/** The layers that are asked to lose channels, and how many of them. */
interface Asked {
  readonly layers: readonly Layer[];
  readonly sparsityOf: (layer: Layer) => number;
}

function layersFor(graph: Graph, options: PruneChannelsOptions): Asked {
  const all = prunableLayers(graph), layers = chooseLayers(all, options), { sparsity } = options, where = 'option sparsity';
  expect(sparsity !== undefined, { kind: 'argument', where, needs: 'a fraction 0 … 1', got: 'nothing' });
  for (const [name, value] of typeof sparsity === 'number' ? [['all layers', sparsity] as const] : Object.entries(sparsity)) {
    expect(typeof value === 'number' && value >= 0 && value <= 1, {
      kind: 'argument', where: `${where}, ${name}`, needs: 'a fraction 0 … 1', got: show(value),
    });
  }
  if (typeof sparsity === 'number') return { layers, sparsityOf: () => sparsity };
  if (options.scope === 'model') fail({ kind: 'argument', where, needs: 'one number, as all layers are ranked together', got: 'a table' });
  const asked = byWeight(all, sparsity, where);
  return { layers: layers.filter(({ weight }) => asked.has(weight)), sparsityOf: ({ weight }) => asked.get(weight)! };
}

interface Wanted extends Asked {
  readonly graph: Graph;
  readonly refusals: Map<string, string>;
}

const makersOf = ({ items }: ChannelGroup): string[] => items.filter(({ side }) => side === 'out').map(({ node }) => node);

function refuse(candidate: { readonly makers: readonly { readonly name: string }[] }, why: string, refusals: Map<string, string>): void {
  for (const { name } of candidate.makers) refusals.set(name, refusals.get(name) ?? why);
}

/** The group where it may lose channels; if not, its layers are told why. */
function candidateOf(group: ChannelGroup, { graph, layers, sparsityOf, refusals }: Wanted): Candidate[] {
  const names = makersOf(group), makers = layers.filter(({ name }) => names.includes(name));
  if (makers.length === 0) return [];
  const others = prunableLayers(graph).filter(({ name }) => names.includes(name) && !makers.some((maker) => maker.name === name));
  const asked = [...new Set(makers.map(sparsityOf))];
  const why = group.fixed
    ?? (others.length ? `shares its channels with ${namesOf(others)}, not to be pruned` : undefined)
    ?? (asked.length > 1 ? `shares its channels with layers of which ${show(asked)} are asked for` : undefined);
  if (why === undefined) return [{ group, makers, sparsity: asked[0] }];
  refuse({ makers }, why, refusals);
  return [];
}

type Refuse = (candidate: Candidate, why: string) => void;

const choosers = {
  layer: (candidates: readonly Candidate[], scores: readonly Float64Array[], no: Refuse): Choice => ({
    marks: candidates.map((candidate, i) => {
      const { sets } = candidate.group, k = roundHalfEven(candidate.sparsity * sets);
      if (k > 0 && k === sets) no(candidate, `would lose all of its ${sets} channels`);
      return smallest([scores[i]], k === sets ? 0 : k)[0];
    }),
    floored: candidates.map(() => false),
  }),
  /** The best set of each group is not ranked: it stays. */
  model: (candidates: readonly Candidate[], scores: readonly Float64Array[]): Choice => {
    if (candidates.length === 0) return { marks: [], floored: [] };
    const total = scores.reduce((sum, list) => sum + list.length, 0);
    const best = scores.map((list) => list.reduce((a, score, i) => (score > list[a] ? i : a), 0));
    const ranked = scores.map((list, g) => list.map((score, i) => (i === best[g] ? Infinity : score)));
    const marks = smallest(ranked, Math.min(roundHalfEven(candidates[0].sparsity * total), total - candidates.length));
    const worst = marks.reduce((most, mark, g) => mark.reduce((a, drop, i) => (drop ? Math.max(a, scores[g][i]) : a), most), -Infinity);
    return { marks, floored: scores.map((list, g) => list[best[g]] < worst) };
  },
};

interface Outcome { readonly refused?: string; readonly marks: readonly Uint8Array[]; readonly floored: boolean }

function rowOf({ constants }: Graph, layer: Layer, { refused, marks, floored }: Outcome): PrunedLayer {
  const mask = fromZeros(constants.get(layer.weight) as Tensor<Float32Array>);
  const count = (of: (mark: Uint8Array) => number): number => marks.reduce((sum, mark) => sum + of(mark), 0);
  return {
    name: layer.name, weight: layer.weight, ...statistics(mask),
    ...(marks.length > 0 && { groups: { total: count(({ length }) => length), dropped: count(countOnes) } }),
    ...(floored && { floored: true as const }), ...(refused !== undefined && { refused }),
  };
}
