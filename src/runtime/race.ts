/** One way to do a job, ready to run. */
export interface Runner {
  readonly run: () => void;
  /** Whether it may be dropped: the ones that stay are what the others are compared with. */
  readonly stays: boolean;
}

export interface RaceOptions {
  /** Milliseconds since any fixed moment. */
  readonly clock: () => number;
  /** Whether there is time for another sample; the first of each runner is always taken. */
  readonly hasTime: () => boolean;
  /** A runner has settled when its best time was met this often, within a small percentage; when all have, the race is over. */
  readonly repeats: number;
  /** Most rounds. */
  readonly rounds: number;
}

/** What was measured of one runner. */
export interface Course {
  /** ms of one run in each round; shorter than the others' where the runner was dropped. */
  readonly times: number[];
  /** The least of them: what disturbs a run only makes it longer. */
  ms: number;
}

/** A sample repeats a run until it lasts this long, or this many ticks of a coarse clock; so many times at most. */
const SAMPLE_MS = 0.4;
const TICKS = 25;
const MOST_RUNS = 200;
/** A runner this much slower than the best is dropped after a round, one this much slower after a few. */
const HOPELESS = 1.5;
const SLOWER = 1.15;
const FEW = 4;
/** Times this close to the best are the best met again. */
const SAME = 1.015;

/** The smallest step of a clock; 0 for one that stands still while it is looked at. */
export function tickOf(clock: () => number): number {
  const start = clock();
  for (let looks = 0; looks < 20_000; looks++) {
    const step = clock() - start;
    if (step > 0) return step;
  }
  return 0;
}

interface Lane extends Course { readonly runner: Runner; batch: number; out: boolean }

function sample(lane: Lane, clock: () => number): void {
  const start = clock();
  for (let i = 0; i < lane.batch; i++) lane.runner.run();
  const ms = (clock() - start) / lane.batch;
  lane.times.push(ms);
  lane.ms = Math.min(lane.ms, ms);
}

/** Disturbances make runs longer, and never twice by the same amount: a best time that comes again is that of the machine left alone. */
function hasSettled({ times, ms }: Lane, repeats: number): boolean {
  return times.filter((time) => time <= ms * SAME).length >= repeats;
}

/** Runs that make a sample long enough, from the time of one. */
function batchFor(ms: number, tick: number): number {
  return Math.max(1, Math.min(MOST_RUNS, Math.ceil(Math.max(SAMPLE_MS, TICKS * tick) / Math.max(ms, 1e-6))));
}

/**
 * Times runners in turns, so that a change of the machine's mood meets all of them; the order turns round each time. Who cannot win any
 * more drops out.
 */
export function race(runners: readonly Runner[], { clock, hasTime, repeats, rounds }: RaceOptions): Course[] {
  const tick = tickOf(clock);
  const lanes = runners.map((runner): Lane => ({ runner, batch: 1, out: false, times: [], ms: Infinity }));
  for (const lane of lanes) {
    sample(lane, clock);
    lane.batch = batchFor(lane.ms, tick);
    // A single run of a short job is mostly the clock.
    if (lane.batch > 1) Object.assign(lane, { times: [], ms: Infinity });
  }
  for (let round = 0; round < rounds; round++) {
    for (const lane of round % 2 ? lanes.toReversed() : lanes) {
      if (lane.out || (lane.times.length > 0 && !hasTime())) continue;
      sample(lane, clock);
    }
    if (!hasTime()) break;
    const best = Math.min(...lanes.map(({ ms }) => ms));
    const limit = best * (round + 1 < FEW ? HOPELESS : SLOWER);
    for (const lane of lanes) lane.out ||= !lane.runner.stays && lane.ms > limit;
    const running = lanes.filter(({ out }) => !out);
    if (running.length === 1 || running.every((lane) => hasSettled(lane, repeats))) break;
  }
  return lanes.map(({ times, ms }) => ({ times, ms }));
}

/**
 * By how much `a` is faster than `b` for certain, as a fraction of b: the smaller of what their best runs and the middle of their rounds
 * say, less the noise of the rounds. Negative where it is not.
 */
export function lead(a: Course, b: Course): number {
  const rounds = Math.min(a.times.length, b.times.length);
  const ratios = Array.from({ length: rounds }, (_, i) => a.times[i] / b.times[i]).sort((x, y) => x - y);
  const at = (share: number): number => ratios[Math.round((rounds - 1) * share)];
  // The deviation of a median of n is about 0.93 quartile distances over √n for errors that are normal.
  const noise = rounds > 1 ? (0.93 * (at(0.75) - at(0.25))) / Math.sqrt(rounds) : 0;
  return 1 - Math.max(a.ms / b.ms, at(0.5)) - noise;
}
