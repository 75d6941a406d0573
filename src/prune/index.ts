export { allocations, type Allocation, type AllocationName, type Share } from './allocations.ts';
export { countings, type Counting, type CountingName } from './counting.ts';
export { criteria, type Context, type Criterion, type CriterionName, type Scores } from './criteria.ts';
export { evidences, type Evidence, type EvidenceName, type LayerEvidence, type Numbers } from './evidence.ts';
export { extentsOf, granularities, type Extents, type Granularity, type GranularityName } from './granularities.ts';
export { applyMask, fromZeros, invert, isKept, maskFrom, statistics, type Mask, type MaskStatistics } from './mask.ts';
export type { PruneOptions } from './options.ts';
export { prune, type Pruned, type PrunedLayer } from './prune.ts';
export { scopes, type KeepOf, type LayerLists, type Scope } from './scopes.ts';
