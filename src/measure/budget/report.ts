import { statistics } from '../../prune/index.ts';
import { countNonzero } from '../../formats/index.ts';
import { readWeight } from '../../graph/layers.ts';
import type { Attempt } from './approach.ts';
import type { Built, Job } from './job.ts';
import { stepsByWeight } from './costs.ts';
import type { BudgetReport, BudgetRow, Outcome, UniformRow } from './record.ts';
import { keptTogether, sharesOf } from './shares.ts';
import type { Masked } from './structures.ts';

interface Result {
  readonly built: Built & { readonly masked: Masked };
  readonly outcome: Outcome;
  readonly measuredMs?: number;
  readonly attempts: readonly Attempt<Built>[];
  readonly fastestMs: number;
  readonly uniform?: readonly UniformRow[];
  /** Milliseconds of the report for one of the cost table. */
  readonly scale: number;
}

/** What came of a budget, in milliseconds of the machine as it was at the end. */
export function reportOf(job: Job, { built, outcome, measuredMs, attempts, fastestMs, uniform, scale }: Result): BudgetReport {
  const { settings: { average }, costs, meter } = job;
  const layers = rowsOf(job, built, scale), kept = keptTogether(sharesOf(job.scored, built.masked.masks));
  const corrected = measuredMs === undefined && outcome !== 'given' ? costs.correction : 1;
  const predictedMs = built.allocation.predictedMs * corrected, takenMs = measuredMs ?? predictedMs;
  const target = job.targetMs(), weights = [...job.scored.values()].map(({ scores }) => scores.length);
  const zeros = layers.reduce((sum, { sparsity }, i) => sum + sparsity * weights[i], 0);
  return {
    model: job.graph.name, environment: meter?.environment ?? costs.environment, outcome,
    budgetMs: target * scale, askedSpeedup: costs.denseMs / target, denseMs: costs.denseMs * scale, givenMs: costs.givenMs * scale,
    predictedMs: predictedMs * scale, measuredMs: measuredMs === undefined ? null : measuredMs * scale,
    deviation: takenMs / target - 1, speedup: costs.denseMs / takenMs, fastestMs: fastestMs * scale,
    sparsity: zeros / weights.reduce((sum, n) => sum + n, 0), average, scoreKept: kept[average], kept,
    rounds: attempts.map(({ modelMs, made, measuredMs: ms }) =>
      ({ modelMs: modelMs * scale, predictedMs: made.allocation.predictedMs * scale, measuredMs: ms * scale })),
    layers,
    ...(uniform && { uniform: uniform.map((row) => ({ ...row, measuredMs: row.measuredMs === null ? null : row.measuredMs * scale })) }),
  };
}

function rowsOf(job: Job, { allocation, masked, timed }: Result['built'], scale: number): BudgetRow[] {
  const layers = [...job.scored.values()].map(({ layer }) => layer), shares = sharesOf(job.scored, masked.masks);
  const steps = timed && stepsByWeight(job.graph, layers, timed), given = new Map(job.costs.layers.map((one) => [one.weight, one.givenMs]));
  return layers.map((layer, i): BudgetRow => {
    const { name, weight } = layer, step = steps?.get(weight), mask = masked.masks.get(weight), values = readWeight(job.graph, layer);
    const scaled = (ms: number | undefined): number | null => (ms === undefined ? null : ms * scale);
    return {
      name, weight, granularity: allocation.assignments.get(weight)?.structure?.name ?? null,
      sparsity: mask ? statistics(mask).sparsity : 1 - countNonzero(values) / values.length,
      givenMs: scaled(given.get(weight)), predictedMs: scaled(allocation.costs.get(weight) ?? given.get(weight)),
      measuredMs: scaled(step && step.time * job.costs.denseMs), scoreKept: shares[i].share,
      format: step?.format ?? null, kernel: step?.kernel ?? null,
    };
  });
}
