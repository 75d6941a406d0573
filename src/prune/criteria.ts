import type { Layer } from '../graph/layers.ts';
import type { Random } from '../random.ts';

/** One score a weight. Float32 where that is exact. */
export type Scores = Float32Array | Float64Array;

/** What a criterion may look at besides the weights. */
export interface Context {
  readonly layer: Layer;
  /** Seeded by the caller, with a stream of its own for each layer. */
  readonly random: Random;
}

/** Scores the weights of one layer, which are in OIHW order; the smallest go first. Returns a new array. */
export interface Criterion {
  readonly formula: string;
  readonly score: (weights: Float32Array, context: Context) => Scores;
}

export const criteria = {
  magnitude: { formula: '|w|', score: (weights) => mapped(weights, new Float32Array(weights.length), Math.abs) },
  squared: { formula: 'w²', score: (weights) => mapped(weights, new Float64Array(weights.length), (w) => w * w) },
  /** The baseline every other criterion has to beat. */
  random: { formula: 'uniform in [0, 1)', score: (weights, { random }) => mapped(weights, new Float64Array(weights.length), random.next) },
} satisfies Record<string, Criterion>;

export type CriterionName = keyof typeof criteria;

function mapped<S extends Scores>(weights: Float32Array, scores: S, score: (weight: number) => number): S {
  for (let i = 0; i < weights.length; i++) scores[i] = score(weights[i]);
  return scores;
}
