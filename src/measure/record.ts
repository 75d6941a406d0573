import type { Weighed } from '../graph/weigh.ts';
import type { Decision } from '../runtime/choose.ts';
import type { Environment } from '../runtime/environment.ts';
import type { Shape } from '../tensor.ts';
import type { NetworkBytes } from './bytes.ts';
import type { Profile } from './profile.ts';

export type { Environment };

/** Multiply-adds, counted four ways. */
export interface Macs {
  readonly dense: number;
  /** Each layer by its own nonzero weights. */
  readonly masked: number;
  /** After dead channels have been followed through the network. */
  readonly effective: number;
  /** Masked, without the taps that fall on padding. */
  readonly inBounds: number;
}

/** A ratio that may have no finite value (a layer of which nothing is left) is null: JSON knows no infinity. */
export type Ratio = number | null;

export interface Speedups {
  readonly masked: Ratio;
  readonly effective: Ratio;
  readonly inBounds: Ratio;
}

/** Half the distance between the quartiles of the samples, see `Summary`. */
export interface SpreadMs {
  readonly denseMs: number;
  readonly sparseMs: number;
}

export interface Totals {
  readonly params: number;
  readonly nonzeroParams: number;
  readonly compressionRatio: Ratio;
  readonly macs: Macs;
  readonly theoreticalSpeedup: Speedups;
  readonly denseMs: number;
  readonly sparseMs: number;
  readonly measuredSpeedup: Ratio;
  /** Measured over theoretical (masked) speedup; null where nothing, or everything, is promised. */
  readonly efficiency: Ratio;
  readonly maxAbsError: number;
}

export interface LayerReport {
  readonly name: string;
  readonly op: string;
  /** Of the output. */
  readonly shape: Shape;
  /** `none` where there are no weights. */
  readonly format: string;
  readonly kernel: string;
  /** Fraction of the weights that are zero; 0 where there are none. */
  readonly sparsity: number;
  readonly nnz: number;
  /** Multiply-adds of the dense layer. */
  readonly macs: number;
  /** What really runs in the sparse edition, where dead channels were taken out; everything else here is of the layer as it was given. */
  readonly narrowed?: Weighed;
  readonly denseMs: number;
  readonly sparseMs: number;
  readonly theoreticalSpeedup: Ratio;
  readonly measuredSpeedup: Ratio;
  readonly efficiency: Ratio;
  readonly spread: SpreadMs;
  /** What the plan measured before it chose; empty where it was told not to measure. */
  readonly candidates: readonly Candidate[];
  /** How the plan decided; absent where there was nothing to choose. */
  readonly decided?: Decision;
}

/** A way to run one layer, and how long it took when the plan was made. */
export interface Candidate {
  readonly format: string;
  readonly kernel: string;
  readonly ms: number;
  /** There where nobody timed it. */
  readonly predicted?: true;
}

/** How the network was pruned before it was measured. Absent from a report: the zeros were already there. */
export interface Pruning {
  readonly criterion: string;
  readonly granularity: string;
  /** `layer`, `row`, `model`, or `2:4` for two kept of four. */
  readonly scope: string;
  /** How the sparsity was divided among the layers; absent where nothing was said of it. */
  readonly allocation?: string;
  readonly sparsity: number;
}

export interface CurvePoint {
  readonly sparsity: number;
  readonly theoretical: Ratio;
  readonly measured: Ratio;
}

/** Another engine on the same network and device. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly denseMs: number;
  readonly sparseMs: number;
}

/** Where the time between the promise and the clock went; see `lossOf`. */
export interface Loss {
  readonly cause: Cause;
  /** Negative where it was in our favour. */
  readonly ms: number;
}

export type Cause = 'unpruned' | 'otherOperations' | 'kernels' | 'leftDense' | 'rest';

/** What the plan was told about its choice of kernels. */
export interface Told {
  /** Formats it could choose from; all where absent. */
  readonly formats?: readonly string[];
  /** Whether candidates were timed or only predicted; timed where absent. */
  readonly tune?: 'measure' | 'predict';
}

/** The one record that every form of the report is written from. Plain JSON. */
export interface Report extends Told {
  readonly model: string;
  readonly environment: Environment;
  readonly pruning?: Pruning;
  /** Timed runs of each edition. */
  readonly samples: number;
  readonly spread: SpreadMs;
  readonly totals: Totals;
  readonly layers: readonly LayerReport[];
  readonly losses: readonly Loss[];
  readonly explanation: readonly string[];
  /** Where `auto` would have run the dense network, if that is not where the sparse one runs: its time there. */
  readonly elsewhere?: { readonly provider: string; readonly denseMs: number };
  readonly curve?: readonly CurvePoint[];
  /** Sparsity from which the sparse kernels beat the dense ones; null where the curve never crosses 1. */
  readonly breakEven?: number | null;
  readonly peers?: readonly Peer[];
  /** Where the parameters and the work are, as given and after the zeros. */
  readonly profile?: Profile;
  /** What the weights take, dense and packed. */
  readonly bytes?: NetworkBytes;
}

/** a / b, 1 for 0 / 0 (nothing promised, nothing lost) and null for a / 0. */
export function ratio(a: number, b: number): Ratio {
  if (b !== 0) return a / b;
  return a === 0 ? 1 : null;
}
