import { expect, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { followLottery, type LotteryOptions } from './lottery.ts';
import { Pruner } from './pruner.ts';
import { lint } from './lint.ts';
import type { LintWarning, PrunerOptions } from './pruner-options.ts';
import { nextUpdate, specOf, targetAt, type ScheduleChoice, type ScheduleSpec, type Timeline } from './timeline.ts';
import { trainOnce, type Round, type Run, type Train, type TrainedNow } from './train.ts';
import { withWeights } from './weights.ts';

/** Options of all drivers: those of a pruner, and the training. Times of the schedule are in the unit of `steps`. */
export interface DriverOptions<M> extends PrunerOptions {
  /** Trains from `step.begin` to `step.end` and says what came of it. */
  readonly train: Train<M>;
  /** Length of the whole training. Default the end of the schedule and one more of its `every`. */
  readonly steps?: number;
  /** Whether to run it all again with random pruning, the baseline that every criterion has to beat. */
  readonly baseline?: boolean;
}

/**
 * Pruning and training by turns. Each takes the model and the caller's `train(model, masks, step)`, which may be async, and gives the
 * pruned network with a history. The model handed to `train` has copies of the weights, zero where the masks drop; `train` keeps them
 * so (`maskWeights` after each update) and returns the weights it ends with. A driver that sees the masks violated says so by `onWarning`.
 *
 * @throws BurinError as `Pruner` does; `argument` for a train that is none or returns no weights. What `train` throws comes through.
 */
export const drivers = {
  /** Prunes once, at `schedule.begin` (default at once), and trains on. */
  oneShot: <M>(model: Graph, options: DriverOptions<M>) => follow({ name: 'one-shot' }, model, options),
  /** Trains and prunes in equal parts, `schedule.rounds` times, and trains on (Han et al., 2015). */
  iterative: <M>(model: Graph, options: DriverOptions<M>) => follow({ name: 'iterative' }, model, options),
  /** Prunes gradually while it trains: `schedule` has end or rounds (Zhu and Gupta, 2017). */
  agp: <M>(model: Graph, options: DriverOptions<M>) => follow({ name: 'agp' }, model, options),
  /** Dense, sparse, dense: three phases of `schedule.every` (Han et al., 2017). Option sparsity is that of the second. */
  dsd: <M>(model: Graph, options: DriverOptions<M>) => follow({ name: 'dsd', rounds: 2 }, model, options),
  /** Trains to the end, prunes, rewinds what is kept, and again (Frankle and Carbin, 2019). */
  lotteryTicket: <M>(model: Graph, options: LotteryOptions<M>) => followLottery(model, options),
} as const;

/** The caller's schedule over the driver's. */
function scheduleOver(preset: ScheduleSpec, choice: ScheduleChoice | undefined): ScheduleSpec {
  const { name, ...rest } = preset;
  const own = choice === undefined ? {} : specOf(choice);
  return own.name !== undefined || own.sparsity !== undefined ? { ...rest, ...own } : { name, ...rest, ...own };
}

async function follow<M>(preset: ScheduleSpec, model: Graph, options: DriverOptions<M>): Promise<Run<M>> {
  const full = { ...options, schedule: scheduleOver(preset, options.schedule) };
  const run = await along(model, full, 'pruned');
  if (!options.baseline) return run;
  const { history } = await along(model, { ...full, criterion: 'random', onWarning: undefined }, 'random');
  return { ...run, history: run.history.map((row, i) => ({ ...row, baseline: history[i].metrics })) };
}

async function along<M>(model: Graph, options: DriverOptions<M>, variant: 'pruned' | 'random'): Promise<Run<M>> {
  const { train, steps: asked, baseline: _, onWarning, ...others } = options;
  const warnings: LintWarning[] = [];
  const warn = (warning: LintWarning): void => {
    warnings.push(warning);
    onWarning?.(warning);
  };
  const pruner = new Pruner(model, others);
  const { timeline } = pruner;
  const steps = asked ?? timeline.end + timeline.every;
  expect(Number.isFinite(steps) && steps > 0, { kind: 'argument', where: 'option steps', needs: 'a number above 0', got: show(steps) });
  lint({ ...others, steps }).forEach(warn);
  const history: Round<M>[] = [];
  let now: TrainedNow<M> = { model, evidence: {} };
  for (const [begin, end] of phases(timeline, steps)) {
    const { masks, sparsity, target, weights } = pruner.step(begin, { ...now.evidence, weights: now.model.constants });
    const step = { round: history.length, begin, end, sparsity, variant };
    now = await trainOnce({ train, model: withWeights(now.model, weights, masks), masks, step, warn });
    history.push({ ...step, target, masks, metrics: now.metrics as M });
  }
  const { masks, weights } = pruner.step(steps, { ...now.evidence, weights: now.model.constants });
  return { model: withWeights(now.model, weights, masks), masks, history, warnings };
}

/** The parts of 0 … steps between updates that change something; at whole numbers where the schedule and the training have such. */
function phases(timeline: Timeline, steps: number): [begin: number, end: number][] {
  const whole = [timeline.begin, timeline.end, steps].every(Number.isInteger);
  const starts = [0];
  let before = '';
  for (let t: number | undefined = timeline.begin; t !== undefined && t < steps; t = nextUpdate(timeline, t)) {
    const start = whole ? Math.ceil(t - 1e-6) : t;
    const target = JSON.stringify(targetAt(timeline, t));
    if (start > starts[starts.length - 1] && (timeline.regrow || target !== before)) starts.push(start);
    before = target;
  }
  return starts.filter((start) => start < steps).map((start, i, all) => [start, all[i + 1] ?? steps]);
}
