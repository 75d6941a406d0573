export { allocations, type Allocation, type AllocationName, type Share } from './allocations.ts';
export { countings, type Counting, type CountingName } from './counting.ts';
export { criterionFrom, type CriterionChoice } from './criteria/ask.ts';
export { criteria, type Context, type Criterion, type CriterionName, type Scores } from './criteria/criteria.ts';
export { evidences, type Evidence, type EvidenceName, type LayerEvidence, type Numbers } from './criteria/evidence.ts';
export { extentsOf, granularities, type Extents, type Granularity, type GranularityName } from './granularities.ts';
export { applyMask, fromZeros, invert, isKept, maskFrom, statistics, unpackMask, type Mask, type MaskStatistics } from './masks/mask.ts';
export { andMasks, andNotMasks, compareMask, isSubset, orMasks, overlap, sameMask, xorMasks, type Shared } from './masks/algebra.ts';
export {
  applyMasks, compareMasks, maskReport, masksOf, type ComparedMasks, type MaskReport, type MaskRow, type Masks,
} from './masks/masks.ts';
export { matchMasks, type MatchedBy, type MatchedMask, type MatchedMasks, type MatchOptions } from './masks/match.ts';
export { layouts, type LayoutName } from './masks/layouts.ts';
export type { PruneOptions } from './options.ts';
export { prune, type Pruned, type PrunedLayer } from './prune.ts';
export * from './remove/index.ts';
export { scopes, type KeepOf, type LayerLists, type Scope } from './scopes.ts';
export { drivers, type DriverOptions } from './training/drivers.ts';
export { lint, type LintSpec } from './training/lint.ts';
export type { LotteryOptions, LotteryRun, Rewinding } from './training/lottery.ts';
export type { LintWarning, PrunerOptions } from './training/pruner-options.ts';
export { Pruner, type PrunerStep } from './training/pruner.ts';
export type { PrunerState, StateEvidence } from './training/state.ts';
export { schedules, type Curve, type CurveNumbers, type Schedule, type ScheduleName } from './training/schedules.ts';
export { reinitialise, rewind, snapshot, type Snapshot } from './training/snapshot.ts';
export { sparsityAt, type GridName, type PerLayer, type ScheduleChoice, type ScheduleSpec, type Timeline } from './training/timeline.ts';
export type { Round, Run, Train, Trained, TrainStep } from './training/train.ts';
export { maskWeights, type Weights, type WeightValues } from './training/weights.ts';
