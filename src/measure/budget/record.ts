import type { Environment } from '../record.ts';
import type { AverageName } from './shares.ts';

/** How one layer was pruned, and what came of it. */
export interface BudgetRow {
  readonly name: string;
  /** Name of its weight, the key of its mask. */
  readonly weight: string;
  /** Granularity or N:M; null where the layer stays as it was. */
  readonly granularity: string | null;
  /** Fraction of the weights that is zero. */
  readonly sparsity: number;
  /** As it was given, as the model says, and as measured inside the network; null where that is not known. */
  readonly givenMs: number | null;
  readonly predictedMs: number | null;
  readonly measuredMs: number | null;
  /** Share of the layer's score that is left, 0 … 1. */
  readonly scoreKept: number;
  /** How the plan of the measured network stores and runs it; null where none was made. */
  readonly format: string | null;
  readonly kernel: string | null;
}

/** All layers at one sparsity, so that the network takes as long as the one that was allocated. */
export interface UniformRow {
  readonly granularity: string;
  /** Fraction of the groups of every layer that goes. */
  readonly sparsity: number;
  /** Milliseconds, measured where the result was; null where it was only modelled. */
  readonly measuredMs: number | null;
  readonly scoreKept: number;
  readonly kept: Readonly<Record<AverageName, number>>;
  /** False where no density from the floor up takes the same time: then this is the nearest. */
  readonly met: boolean;
}

/** One allocation that was measured, in milliseconds. */
export interface BudgetRound {
  /** What the model was allowed, what it promised and what was measured. */
  readonly modelMs: number;
  readonly predictedMs: number;
  readonly measuredMs: number;
}

/**
 * `met`: pruned to the budget. `given`: the network was fast enough before. `fastest`: no allocation is that fast; this is the fastest.
 * `missed`: the clock was off what the corrected model said by more than the tolerance in every round; `deviation` says by how much.
 */
export type Outcome = 'met' | 'given' | 'fastest' | 'missed';

/** Plain JSON. Milliseconds are of the device of `environment`; all are scaled to one time of the dense network. */
export interface BudgetReport {
  readonly model: string;
  readonly environment: Environment;
  readonly outcome: Outcome;
  /** What was asked for, in ms and as a speedup over `denseMs`. */
  readonly budgetMs: number;
  readonly askedSpeedup: number;
  readonly denseMs: number;
  readonly givenMs: number;
  /** By the cost table as it was when the allocation was made; corrected by what it is known to be off where nothing was measured. */
  readonly predictedMs: number;
  /** Null where nothing was measured. */
  readonly measuredMs: number | null;
  /** Measured (predicted where it was not) over the budget, less one; and dense over it. */
  readonly deviation: number;
  readonly speedup: number;
  /** The fastest that the cost table promises. */
  readonly fastestMs: number;
  /** Fraction of the weights of all chosen layers that is zero. */
  readonly sparsity: number;
  readonly average: AverageName;
  /** By `average`, and by every average. */
  readonly scoreKept: number;
  readonly kept: Readonly<Record<AverageName, number>>;
  readonly rounds: readonly BudgetRound[];
  readonly layers: readonly BudgetRow[];
  readonly uniform?: readonly UniformRow[];
}
