import { expect, show } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import { Pruner } from './pruner.ts';
import type { LintWarning, PrunerOptions } from './pruner-options.ts';
import { reinitialise, rewind, snapshot, type Snapshot } from './snapshot.ts';
import { schedules, type Schedule, type ScheduleName } from './schedules.ts';
import { specOf, type ScheduleSpec } from './timeline.ts';
import { trainOnce, type Round, type Run, type Train, type TrainedNow, type TrainStep } from './train.ts';

/** Where the weights go back to after each pruning: step k of the first training (0 is the initialisation), a snapshot, or nowhere. */
export type Rewinding = number | Snapshot | 'none';

/** As for the other drivers. Time in the schedule is the number of the round, so it has no begin, end or every of its own. */
export interface LotteryOptions<M> extends PrunerOptions {
  readonly train: Train<M>;
  /** Default 20 % of what is left, `rounds` times: { rounds: 9, rate: { '*': 0.2, fc3: 0.1 } }; any other schedule with rounds. */
  readonly schedule?: string | Omit<ScheduleSpec, 'begin' | 'end' | 'every' | 'grid'>;
  /** Length of one training. Default 1. */
  readonly steps?: number;
  /** Default 0. */
  readonly rewind?: Rewinding;
  /** Whether each round also trains random masks of the same schedule, from the same weights. */
  readonly baseline?: boolean;
  /** Whether each round also trains the ticket's masks on weights initialised anew, the control. */
  readonly reinitialise?: boolean;
}

export interface LotteryRun<M> extends Run<M> {
  /** The ticket: the weights that the last round started from, zero where the masks drop. */
  readonly ticket: Graph;
}

/** What all rounds share. */
interface Job<M> {
  readonly model: Graph;
  readonly train: Train<M>;
  readonly steps: number;
  readonly back: Rewinding;
  readonly warn: (warning: LintWarning) => void;
}

/** The state between two rounds: where the next one starts from, and what the last one ended with. */
interface Between<M> {
  readonly start: Snapshot;
  readonly now: TrainedNow<M>;
}

/** Iterative pruning with rewinding. The history begins with the dense network, round 0. */
export async function followLottery<M>(model: Graph, options: LotteryOptions<M>): Promise<LotteryRun<M>> {
  const { train, steps = 1, rewind: back = 0, baseline, reinitialise: anew, onWarning, schedule, ...others } = options;
  checkTimes(steps, back);
  const warnings: LintWarning[] = [];
  const warn = (warning: LintWarning): void => {
    warnings.push(warning);
    onWarning?.(warning);
  };
  const job = { model, train, steps, back, warn };
  const pruning = { ...others, schedule: roundsOf(schedule) };
  const pruner = new Pruner(model, { ...pruning, onWarning: warn });
  const random = baseline ? new Pruner(model, { ...pruning, criterion: 'random' }) : undefined;
  const start = await startOf(job);
  const untrained = { start, now: { model: rewind(model, start), evidence: {} } };
  const dense = await trainRound(job, { pruner, round: 0, variant: 'pruned', before: untrained });
  const tickets = await trainRounds(job, { pruner, variant: 'pruned', before: dense.after });
  let history = [dense.row, ...tickets.rows];
  if (random) {
    const { rows } = await trainRounds(job, { pruner: random, variant: 'random', before: dense.after });
    history = history.map((row, i) => (i === 0 ? row : { ...row, baseline: rows[i - 1].metrics }));
  }
  if (anew) history = await withControls(job, history, others.seed ?? 0);
  const { masks } = pruner;
  return { model: pruner.graph(tickets.after.now.model.constants), masks, history, warnings, ticket: rewind(model, tickets.start, masks) };
}

function checkTimes(steps: number, back: Rewinding): void {
  expect(Number.isFinite(steps) && steps > 0, { kind: 'argument', where: 'option steps', needs: 'a number above 0', got: show(steps) });
  expect(back === 'none' || back instanceof Map || (typeof back === 'number' && back >= 0 && back < steps), {
    kind: 'argument', where: 'option rewind', needs: `a step from 0 to below ${steps}, a snapshot or 'none'`, got: show(back),
  });
}

/** The schedule with the number of the round for time. Round 0 is dense: what prunes at once does so after it. */
function roundsOf(schedule: LotteryOptions<unknown>['schedule']): ScheduleSpec {
  const own = schedule === undefined ? {} : specOf(schedule);
  const spec: ScheduleSpec = own.name === undefined && own.sparsity === undefined ? { name: 'lottery-ticket', rate: 0.2, ...own } : own;
  for (const field of ['begin', 'end', 'every', 'grid'] as const) {
    expect(spec[field] === undefined, {
      kind: 'argument', where: `option schedule, ${field}`, needs: 'nothing, as time is the round', got: show(spec[field]),
    });
  }
  const row = spec.name !== undefined && Object.hasOwn(schedules, spec.name) ? schedules[spec.name as ScheduleName] as Schedule : undefined;
  return row?.instant ? { ...spec, begin: 1 } : spec;
}

/** The weights that rounds start from: those after the first `back` steps of a dense training. */
async function startOf<M>({ model, train, back, warn }: Job<M>): Promise<Snapshot> {
  if (typeof back === 'object') return back;
  if (back === 'none' || back === 0) return snapshot(model);
  const step: TrainStep = { round: 0, begin: 0, end: back, sparsity: 0, variant: 'pruned' };
  return snapshot((await trainOnce({ train, model, masks: new Map(), step, warn })).model);
}

interface RoundCall<M> {
  readonly pruner: Pruner;
  readonly round: number;
  readonly variant: TrainStep['variant'];
  readonly before: Between<M>;
}

/** Prunes what the last round ended with, rewinds, trains. */
async function trainRound<M>(job: Job<M>, { pruner, round, variant, before }: RoundCall<M>): Promise<{ row: Round<M>; after: Between<M> }> {
  const { model, train, steps, back, warn } = job;
  const { masks, sparsity, target } = pruner.step(round, { ...before.now.evidence, weights: before.now.model.constants });
  const begin = back === 'none' ? round * steps : typeof back === 'number' ? back : 0;
  const step = { round, begin, end: back === 'none' ? begin + steps : steps, sparsity, variant };
  const now = await trainOnce({ train, model: rewind(model, before.start), masks, step, warn });
  const start = back === 'none' ? snapshot(now.model) : before.start;
  return { row: { ...step, target, masks, metrics: now.metrics as M }, after: { start, now } };
}

/** Rounds 1 … n. `start` is what the last of them started from. */
async function trainRounds<M>(
  job: Job<M>, call: Omit<RoundCall<M>, 'round'>,
): Promise<{ rows: Round<M>[]; after: Between<M>; start: Snapshot }> {
  const rows: Round<M>[] = [];
  let { before } = call, { start } = before;
  for (let round = 1; round <= call.pruner.timeline.end; round++) {
    const { row, after } = await trainRound(job, { ...call, round, before });
    rows.push(row);
    start = before.start;
    before = after;
  }
  return { rows, after: before, start };
}

/** Trains every ticket's masks from the beginning, on weights initialised anew. */
async function withControls<M>({ model, train, steps, warn }: Job<M>, history: readonly Round<M>[], seed: number): Promise<Round<M>[]> {
  const out: Round<M>[] = [];
  for (const row of history) {
    const step: TrainStep = { round: row.round, begin: 0, end: steps, sparsity: row.sparsity, variant: 'reinitialised' };
    const { metrics } = await trainOnce({ train, model: reinitialise(model, { seed: seed + row.round }), masks: row.masks, step, warn });
    out.push({ ...row, reinitialised: metrics });
  }
  return out;
}
