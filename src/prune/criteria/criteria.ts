import type { Layer } from '../../graph/layers.ts';
import type { Random } from '../../random.ts';
import type { EvidenceName, LayerEvidence } from './evidence.ts';
import { distances } from './filters.ts';
import { shareOfLarger } from './lamp.ts';
import { ascending } from './order.ts';
import { compensated, surgeonScores } from './surgeon.ts';

/** One score a weight. Float32 where that is exact. */
export type Scores = Float32Array | Float64Array;

/** What a criterion may look at besides the weights. */
export interface Context {
  readonly layer: Layer;
  /** Seeded by the caller, with a stream of its own for each layer. */
  readonly random: Random;
  /** What the criterion `needs`, of this layer, checked; weights in OIHW order. */
  readonly evidence: LayerEvidence;
}

/** Scores the weights of one layer, which are in OIHW order; the smallest go first. Returns a new array. */
export interface Criterion {
  readonly formula: string;
  /** What it must be given besides the weights. */
  readonly needs?: readonly EvidenceName[];
  readonly score: (weights: Float32Array, context: Context) => Scores;
  /** What the weights are once those marked 1 in `dropped` are gone, where the others make up for them. Returns a new array. */
  readonly compensate?: (weights: Float32Array, dropped: Uint8Array, context: Context) => Float32Array;
}

function filled(length: number, score: (i: number) => number): Float64Array {
  const scores = new Float64Array(length);
  for (let i = 0; i < length; i++) scores[i] = score(i);
  return scores;
}

/** A criterion that looks at one weight, and the numbers that belong to it, at a time. */
function each(formula: string, score: (weight: number, given: number) => number, needs?: EvidenceName): Criterion {
  return {
    formula, ...(needs && { needs: [needs] }),
    score: (weights, { evidence }) => {
      const given = needs ? evidence[needs]! : weights;
      return filled(weights.length, (i) => score(weights[i], given[i]));
    },
  };
}

/** |w| is exact in 32 bits: half the memory where 25 million weights are ranked together. */
function magnitudes(weights: Float32Array): Float32Array {
  const scores = new Float32Array(weights.length);
  for (let i = 0; i < weights.length; i++) scores[i] = Math.abs(weights[i]);
  return scores;
}

/** Which of a layer's inputs weight i of the unfolded row meets: one norm a channel, or one a column of the unfolded input. */
function normOf({ dims, groups }: Layer, norms: ArrayLike<number>): (filter: number, column: number) => number {
  const [filters, inputs, height, width] = dims, window = height * width;
  if (norms.length === inputs * window * groups && window > 1) {
    return (filter, column) => norms[Math.floor(filter / (filters / groups)) * inputs * window + column];
  }
  return (filter, column) => norms[Math.floor(filter / (filters / groups)) * inputs + Math.floor(column / window)];
}

/** |w| times `factor` of the norm of the input it meets, where the sums of |w| over its row and its column come in as `share`. */
function byInputs(weights: Float32Array, { layer, evidence }: Context, score: (w: number, norm: number, at: number) => number): Scores {
  const filters = layer.dims[0], columns = weights.length / filters, norm = normOf(layer, evidence.inputNorms!);
  const scores = new Float64Array(weights.length);
  for (let o = 0, i = 0; o < filters; o++) for (let k = 0; k < columns; k++, i++) scores[i] = score(Math.abs(weights[i]), norm(o, k), i);
  return scores;
}

/** Sums of |w| over the filters and over what reads each input, the two ends of a connection. In a layer of groups, each on its own. */
function relative(weights: Float32Array, context: Context): Scores {
  const { dims, groups } = context.layer, filters = dims[0], columns = weights.length / filters, perGroup = filters / groups;
  const rows = new Float64Array(filters), reads = new Float64Array(columns * groups);
  const read = (i: number): number => Math.floor(i / columns / perGroup) * columns + (i % columns);
  for (let i = 0; i < weights.length; i++) {
    rows[Math.floor(i / columns)] += Math.abs(weights[i]);
    reads[read(i)] += Math.abs(weights[i]);
  }
  const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
  return byInputs(weights, context, (w, norm, i) =>
    (share(w, reads[read(i)]) + share(w, rows[Math.floor(i / columns)])) * Math.sqrt(norm));
}

/** Squares order as magnitudes do, which are half as long to sort. */
function layerAdaptive(weights: Float32Array): Scores {
  return shareOfLarger(filled(weights.length, (i) => weights[i] ** 2), ascending(magnitudes(weights)));
}

/**
 * Scores of one weight w, the smallest of which go; g is ∂L/∂w, w₀ what training began with, x what the weight meets. Sources stand above
 * the rows; those without one are fasterai's or plain. `needs` names the evidence that `prune` must be given.
 */
export const criteria = {
  magnitude: { formula: '|w|', score: magnitudes },
  squared: each('w²', (w) => w * w),
  small: each('−|w|: the largest go', (w) => -Math.abs(w)),
  /** The baseline every other criterion has to beat. */
  random: { formula: 'uniform in [0, 1)', score: (weights, { random }) => filled(weights.length, random.next) },
  /** ShrinkBench's MagGrad; SNIP (Lee et al. 2019) where w is at its beginning. */
  gradient: each('|w·g|', (w, g) => Math.abs(w * g), 'gradient'),
  /** Molchanov et al. 2019, a mean over samples. */
  taylor2: each('mean((w·g)²)', (w, g2) => w * w * g2, 'squaredGradient'),
  /** Sanh et al. 2020. */
  movement: each('Σ −w·g over the steps', (_, moved) => moved, 'movement'),
  /** What fasterai calls movement. */
  distance: each('|w − w₀|', (w, w0) => Math.abs(w - w0), 'initial'),
  /** fasterai's movmag. */
  movement_magnitude: each('|w·(w − w₀)|', (w, w0) => Math.abs(w * (w - w0)), 'initial'),
  large_init: each('|w₀|', (_, w0) => Math.abs(w0), 'initial'),
  small_init: each('−|w₀|', (_, w0) => -Math.abs(w0), 'initial'),
  large_init_large_final: each('min(|w|, |w₀|)', (w, w0) => Math.min(Math.abs(w), Math.abs(w0)), 'initial'),
  small_init_small_final: each('−max(|w|, |w₀|)', (w, w0) => -Math.max(Math.abs(w), Math.abs(w0)), 'initial'),
  magnitude_increase: each('|w| − |w₀|', (w, w0) => Math.abs(w) - Math.abs(w0), 'initial'),
  /** Sun et al. 2023; meant to be ranked by scope `row`. */
  wanda: { formula: '|w|·‖x‖₂', needs: ['inputNorms'], score: (weights, context) => byInputs(weights, context, (w, norm) => w * norm) },
  /** Zhang et al. 2024. */
  ria: { formula: '(|w|/Σ|column| + |w|/Σ|row|)·√‖x‖₂', needs: ['inputNorms'], score: relative },
  /** LeCun et al. 1989, the Hessian's diagonal as the mean of squared gradients. */
  obd: each('½·h·w², h ≈ mean(g²)', (w, h) => (h * w * w) / 2, 'squaredGradient'),
  /** Hassibi & Stork 1993: the weights that stay make up for those that go. */
  obs: { formula: 'w²/(2·[H⁻¹]ᵢᵢ)', needs: ['hessian'], score: surgeonScores, compensate: compensated },
  /** He et al. 2019: filters near the geometric median go. */
  fpgm: { formula: 'Σⱼ‖Fᵢ − Fⱼ‖₂ over the filters', score: distances },
  /** Lee et al. 2021: ranked by scope `model`. */
  lamp: { formula: 'w²/Σ of the squares not smaller', score: layerAdaptive },
} satisfies Record<string, Criterion>;

/** A row of {@link criteria}. */
export type CriterionName = keyof typeof criteria;
