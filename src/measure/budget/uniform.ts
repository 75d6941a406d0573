import type { Job } from './job.ts';
import { approach, type Attempt } from './approach.ts';
import { cares, type Care, type Meter } from './meter.ts';
import { uniformDensity, uniformMs } from './model.ts';
import type { UniformRow } from './record.ts';
import { keptTogether, repeating, sharesOf } from './shares.ts';
import { assign, uniformly, type Masked, type Structure } from './structures.ts';

interface Uniform {
  readonly density: number;
  readonly masked: Masked;
}

/** Either way: the comparison is about equal times. */
const TOLERANCE = 0.02;

/**
 * For each granularity the sparsity, the same in every layer that it makes faster, at which the network takes `takenMs` too, and what
 * that keeps. N:M has one sparsity only and is left out. Milliseconds are those of the cost table.
 */
export async function uniformRows(job: Job, takenMs: number): Promise<UniformRow[]> {
  const { settings: { structures, onProgress } } = job, rows: UniformRow[] = [];
  const free = structures.filter(({ fixed }) => fixed === undefined);
  for (const [done, structure] of free.entries()) {
    onProgress?.({ stage: `uniform ${structure.name}`, done, total: free.length });
    const row = await rowOf(job, structure, takenMs);
    if (row) rows.push(row);
  }
  return rows;
}

async function rowOf(job: Job, structure: Structure, takenMs: number): Promise<UniformRow | undefined> {
  const { model, costs, settings: { average, floor }, meter } = job;
  const layers = model.layers.filter((one) => one.costs.points[structure.name]).map((one) => job.scored.get(one.costs.weight)!.layer);
  if (layers.length === 0) return undefined;
  const pruning = repeating(job.settings.pruning, job.scored);
  const build = (density: number): Uniform => ({ density, masked: assign(job.graph, uniformly(layers, structure, density), pruning) });
  const densityFor = (budgetMs: number): number => uniformDensity(model, structure, { budgetMs, floor });
  const time = (meter: Meter, care: Care) => async ({ masked }: Uniform): Promise<number> =>
    (await meter.time(masked.graph, { care })).time * costs.denseMs;
  const attempts = meter && await approach<Uniform>({
    targetMs: () => takenMs * (1 + TOLERANCE / 2), tolerance: TOLERANCE, correction: costs.correction,
    plan: (modelMs) => {
      const density = densityFor(modelMs);
      return { key: density.toFixed(4), make: () => build(density) };
    },
    time: time(meter, cares.rough), confirm: time(meter, cares.sure), predict: ({ density }) => uniformMs(model, structure, density),
  });
  const found = attempts ? equalTime(attempts, takenMs) : { density: densityFor(takenMs / costs.correction), measuredMs: null };
  const kept = keptTogether(sharesOf(job.scored, build(found.density).masked.masks));
  const met = found.measuredMs === null ? found.density > floor : Math.abs(found.measuredMs / takenMs - 1) <= 2 * TOLERANCE;
  return {
    granularity: structure.name, sparsity: 1 - found.density, scoreKept: kept[average], kept, met,
    measuredMs: found.measuredMs,
  };
}

/** The density that takes the time asked for, linear between the nearest that took less and the nearest that took more. */
function equalTime(attempts: readonly Attempt<Uniform>[], takenMs: number): { density: number; measuredMs: number } {
  const off = ({ measuredMs }: Attempt<Uniform>): number => Math.abs(measuredMs - takenMs);
  const sorted = attempts.toSorted((a, b) => off(a) - off(b)), best = sorted[0];
  const other = sorted.find(({ measuredMs, made }) =>
    (measuredMs - takenMs) * (best.measuredMs - takenMs) < 0 && (measuredMs - best.measuredMs) * (made.density - best.made.density) > 0);
  if (!other) return { density: best.made.density, measuredMs: best.measuredMs };
  const part = (takenMs - best.measuredMs) / (other.measuredMs - best.measuredMs);
  return { density: best.made.density + part * (other.made.density - best.made.density), measuredMs: takenMs };
}
