import { expect, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { Pruner } from './pruner.ts';
import type { LintWarning, PrunerOptions } from './pruner-options.ts';
import { reinitialise, rewind, snapshot, type Snapshot } from './snapshot.ts';
import { schedules, type Schedule, type ScheduleName } from './schedules.ts';
import { specOf, type ScheduleSpec } from './timeline.ts';
import { trainOnce, type Round, type Run, type Train, type TrainedNow, type TrainStep } from './train.ts';
import { withWeights } from './weights.ts';

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

/** What the lottery-ticket driver returns. */
export interface LotteryRun<M> extends Run<M> {
  /** The ticket: the weights that the last round started from, zero where the masks drop. */
  readonly ticket: Graph;
}

/** What all rounds share. */
interface Job<M> {
  readonly train: Train<M>;
  readonly steps: number;
  readonly back: Rewinding;
  /** What is rewound to. */
  readonly start: Snapshot;
  readonly warn: (warning: LintWarning) => void;
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
  const pruning = { ...others, schedule: roundsOf(schedule) };
  const pruner = new Pruner(model, { ...pruning, onWarning: warn });
  const random = baseline ? new Pruner(model, { ...pruning, criterion: 'random' }) : undefined;
  const start = await startOf(model, { train, back, warn });
  const job = { train, steps, back, start, warn };
  const untrained = { model: rewind(model, start), evidence: {} };
  const dense = await trainRound(job, { pruner, round: 0, variant: 'pruned', before: untrained });
  const tickets = await trainRounds(job, { pruner, variant: 'pruned', before: dense.now });
  let history = [dense, ...tickets].map(({ row }) => row);
  if (random) {
    const others = await trainRounds(job, { pruner: random, variant: 'random', before: dense.now });
    history = history.map((row, i) => (i === 0 ? row : { ...row, baseline: others[i - 1].row.metrics }));
  }
  if (anew) history = await withControls(model, job, { history, seed: others.seed ?? 0 });
  const { now, started } = tickets[tickets.length - 1];
  return { model: now.model, masks: pruner.masks, history, warnings, ticket: started };
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
async function startOf<M>(model: Graph, { train, back, warn }: Pick<Job<M>, 'train' | 'back' | 'warn'>): Promise<Snapshot> {
  if (typeof back === 'object') return back;
  if (back === 'none' || back === 0) return snapshot(model);
  const step: TrainStep = { round: 0, begin: 0, end: back, sparsity: 0, variant: 'pruned' };
  return snapshot((await trainOnce({ train, model, masks: new Map(), step, warn })).model);
}

interface RoundCall<M> {
  readonly pruner: Pruner;
  readonly round: number;
  readonly variant: TrainStep['variant'];
  readonly before: TrainedNow<M>;
}

/** A round, the network that it started from, and the one it ended with. */
interface Trial<M> {
  readonly row: Round<M>;
  readonly started: Graph;
  readonly now: TrainedNow<M>;
}

/** Prunes what the last round ended with, rewinds, trains. */
async function trainRound<M>(job: Job<M>, { pruner, round, variant, before }: RoundCall<M>): Promise<Trial<M>> {
  const { train, steps, back, start, warn } = job;
  const { masks, sparsity, target, weights } = pruner.step(round, { ...before.evidence, weights: before.model.constants });
  const begin = back === 'none' ? round * steps : typeof back === 'number' ? back : 0;
  const step = { round, begin, end: back === 'none' ? begin + steps : steps, sparsity, variant };
  const started = back === 'none' ? withWeights(before.model, weights, masks) : rewind(before.model, start, masks);
  const now = await trainOnce({ train, model: started, masks, step, warn });
  return { row: { ...step, target, masks, metrics: now.metrics as M }, started, now };
}

/** Rounds 1 … n. */
async function trainRounds<M>(job: Job<M>, { before: first, ...call }: Omit<RoundCall<M>, 'round'>): Promise<Trial<M>[]> {
  const trials: Trial<M>[] = [];
  for (let round = 1, before = first; round <= call.pruner.timeline.end; round++) {
    const trial = await trainRound(job, { ...call, round, before });
    trials.push(trial);
    before = trial.now;
  }
  return trials;
}

/** Trains every ticket's masks from the beginning, on weights initialised anew. */
async function withControls<M>(
  model: Graph, { train, steps, warn }: Job<M>, { history, seed }: { history: readonly Round<M>[]; seed: number },
): Promise<Round<M>[]> {
  const out: Round<M>[] = [];
  for (const row of history) {
    const step: TrainStep = { round: row.round, begin: 0, end: steps, sparsity: row.sparsity, variant: 'reinitialised' };
    const { metrics } = await trainOnce({ train, model: reinitialise(model, { seed: seed + row.round }), masks: row.masks, step, warn });
    out.push({ ...row, reinitialised: metrics });
  }
  return out;
}
