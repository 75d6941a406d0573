export { criteria, type Context, type Criterion, type CriterionName, type Scores } from './criteria.ts';
export { extentsOf, granularities, type Extents, type Granularity, type GranularityName } from './granularities.ts';
export { applyMask, fromZeros, invert, isKept, maskFrom, statistics, type Mask, type MaskStatistics } from './mask.ts';
export type { PruneOptions } from './options.ts';
export { prune, type Pruned, type PrunedLayer } from './prune.ts';
export { scopes, type KeepOf, type Scope } from './scopes.ts';
