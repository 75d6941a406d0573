import type { LayerPlan, SparseSession } from '../runtime/session.ts';
import type { TensorLike } from '../tensor.ts';
import { maxAbsErrorOf, type Tolerance } from './agree.ts';
import { explain, lossesOf } from './explain.ts';
import { ratio, type LayerReport, type Report, type Told, type Totals } from './record.ts';
import { settled, summarize } from './time.ts';

/** What measuring needs of a session. */
export type Edition = Pick<SparseSession, 'prepare' | 'run' | 'profile' | 'environment'>;

/** What is counted, not timed. */
export type Counted = Pick<Totals, 'params' | 'nonzeroParams' | 'compressionRatio' | 'macs' | 'theoreticalSpeedup'>;

export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

export interface Comparison {
  readonly model: string;
  /** The same network twice: with dense kernels only, and with any. */
  readonly dense: Edition;
  readonly sparse: Edition;
  readonly counted: Counted;
  readonly feeds: Readonly<Record<string, TensorLike>>;
  /** Timed runs of each edition; 30 when absent. */
  readonly samples?: number;
  readonly tolerance?: Tolerance;
  /** What the plan of the sparse edition was told; recorded in the report. */
  readonly told?: Told;
  readonly onProgress?: (progress: Progress) => void;
}

interface Runs {
  readonly totalMs: number[];
  /** [layer][sample] */
  readonly layerMs: number[][];
}

/** Timed runs in a row, before the other edition has its turn. */
const turn = 5;
const warmUpRuns = 60;
const warmUpMs = 3000;

async function warmUp(edition: Edition, feeds: Comparison['feeds']): Promise<void> {
  const seen: number[] = [];
  for (let spent = 0; seen.length < warmUpRuns && !settled(seen) && (spent < warmUpMs || seen.length < 2); spent += seen.at(-1)!) {
    seen.push((await edition.profile(feeds, { samples: 1 })).totalMs[0]);
  }
}

/** One turn. Its first run is dropped: it finds the caches full of the other edition's weights. */
async function takeTurn(edition: Edition, runs: Runs, feeds: Comparison['feeds'], samples: number): Promise<void> {
  const { totalMs, layerMs } = await edition.profile(feeds, { samples: samples + 1 });
  runs.totalMs.push(...totalMs.slice(1));
  layerMs.forEach((times, layer) => (runs.layerMs[layer] ??= []).push(...times.slice(1)));
}

/** Warms both editions up, then lets them take turns, in an order that turns round each time. */
async function interleave({ dense, sparse, feeds, samples = 30, onProgress }: Comparison): Promise<{ dense: Runs; sparse: Runs }> {
  const runs = { dense: { totalMs: [], layerMs: [] }, sparse: { totalMs: [], layerMs: [] } };
  const pair: [Edition, Runs][] = [[dense, runs.dense], [sparse, runs.sparse]];
  for (const [edition] of pair) await warmUp(edition, feeds);
  for (let done = 0, round = 0; done < samples; done += turn, round++) {
    const size = Math.min(turn, samples - done);
    for (const [edition, into] of round % 2 ? pair.toReversed() : pair) await takeTurn(edition, into, feeds, size);
    onProgress?.({ stage: 'timing', done: Math.min(done + turn, samples), total: samples });
  }
  return runs;
}

interface Timed {
  readonly plan: LayerPlan;
  readonly times: readonly number[];
}

const timed = (plans: readonly LayerPlan[], runs: Runs): Timed[] => plans.map((plan, i) => ({ plan, times: runs.layerMs[i] ?? [0] }));

/** Steps of the two plans that run the same nodes; what only one plan does has nothing beside it. */
function pairUp(dense: readonly Timed[], sparse: readonly Timed[]): { dense: Timed[]; sparse?: Timed }[] {
  const rows = sparse.map((step) => ({ dense: [] as Timed[], sparse: step as Timed | undefined }));
  const owner = new Map(rows.flatMap((row) => [row.sparse!.plan.name, ...row.sparse!.plan.parts].map((node) => [node, row] as const)));
  for (const step of dense) {
    const row = [step.plan.name, ...step.plan.parts].map((node) => owner.get(node)).find((row) => row !== undefined);
    if (row) row.dense.push(step);
    else rows.push({ dense: [step], sparse: undefined });
  }
  return rows;
}

function layerReport({ dense, sparse }: { dense: Timed[]; sparse?: Timed }): LayerReport {
  const { name, op, shape, format, kernel, nnz, size, macs, narrowed, candidates, decided } = (sparse ?? dense[0]).plan;
  const [before, after] = [dense, sparse ? [sparse] : []].map((steps) => {
    const all = steps.map((step) => summarize(step.times));
    return { ms: all.reduce((sum, one) => sum + one.medianMs, 0), spread: all.reduce((sum, one) => sum + one.spreadMs, 0) };
  });
  const theoreticalSpeedup = macs > 0 ? ratio(size, nnz) : 1;
  const measuredSpeedup = ratio(before.ms, after.ms);
  return {
    name, op, shape, kernel, nnz, macs, ...(narrowed && { narrowed }), ...(decided && { decided }), candidates,
    theoreticalSpeedup, measuredSpeedup,
    format: size ? format : 'none',
    sparsity: size ? 1 - nnz / size : 0,
    denseMs: before.ms,
    sparseMs: after.ms,
    efficiency: theoreticalSpeedup && measuredSpeedup ? measuredSpeedup / theoreticalSpeedup : null,
    spread: { denseMs: before.spread, sparseMs: after.spread },
  };
}

/**
 * Checks that two editions of a network give the same outputs, times them against each other, and explains the difference.
 * @throws BurinError `device` when the outputs disagree; then nothing is timed.
 */
export async function compare(comparison: Comparison): Promise<Report> {
  const { model, dense, sparse, counted, feeds, samples = 30, told = {}, tolerance = { absolute: 1e-3, relative: 1e-3 } } = comparison;
  const plans = { dense: await dense.prepare(), sparse: await sparse.prepare() };
  const maxAbsError = maxAbsErrorOf(await dense.run(feeds), await sparse.run(feeds), tolerance);
  const runs = await interleave(comparison);
  const [before, after] = [summarize(runs.dense.totalMs), summarize(runs.sparse.totalMs)];
  const measuredSpeedup = ratio(before.medianMs, after.medianMs);
  const promised = counted.theoreticalSpeedup.masked;
  const totals: Totals = {
    ...counted,
    denseMs: before.medianMs,
    sparseMs: after.medianMs,
    measuredSpeedup,
    efficiency: promised && promised !== 1 && measuredSpeedup ? measuredSpeedup / promised : null,
    maxAbsError,
  };
  const environment = sparse.environment();
  const layers = pairUp(timed(plans.dense, runs.dense), timed(plans.sparse, runs.sparse)).map(layerReport);
  return {
    model, environment, ...told, samples, totals, layers,
    spread: { denseMs: before.spreadMs, sparseMs: after.spreadMs },
    losses: lossesOf({ totals, layers }),
    explanation: explain({ totals, layers, environment, ...told }),
  };
}
