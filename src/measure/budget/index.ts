export { pruneToBudget, type Budgeted } from './budget.ts';
export { isCostTable, type CostTable, type LayerCosts, type Point } from './costs.ts';
export { usualGranularities, type BudgetOptions } from './options.ts';
export type { BudgetReport, BudgetRound, BudgetRow, Outcome, UniformRow } from './record.ts';
export { averages, type AverageName } from './shares.ts';
