import { expect } from '../expect.ts';

/** What many timings of one thing come down to, in milliseconds. */
export interface Summary {
  readonly medianMs: number;
  /** Half the distance between the quartiles: half of all samples lie within about median ± spread. */
  readonly spreadMs: number;
  readonly minMs: number;
  readonly samples: number;
}

export interface TimeOptions {
  /** Samples of each task; 30 when absent. */
  readonly samples?: number;
  /** A sample repeats its task until it lasts this long, so that a coarse clock can see it; 2 when absent. */
  readonly minMs?: number;
  /** Warming up ends at the latest after this long a task, settled or not; 1000 when absent. */
  readonly warmUpMs?: number;
  /** Milliseconds since any fixed moment; `performance.now` when absent. */
  readonly clock?: () => number;
}

export type Task = () => unknown;

interface Running {
  readonly task: Task;
  /** Calls in one sample. */
  batch: number;
  readonly times: number[];
}

/** The value below which a fraction `q` (0…1) of `values` lies, linear between neighbours (R's type 7). */
export function quantile(values: ArrayLike<number>, q: number): number {
  expect(values.length > 0, { kind: 'argument', where: 'quantile', needs: 'at least one value', got: 'none' });
  const sorted = Float64Array.from(values).sort();
  const place = (sorted.length - 1) * q;
  const low = Math.floor(place);
  return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
}

export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

export function summarize(times: ArrayLike<number>): Summary {
  return {
    medianMs: median(times),
    spreadMs: (quantile(times, 0.75) - quantile(times, 0.25)) / 2,
    minMs: quantile(times, 0),
    samples: times.length,
  };
}

/** How many of the latest times `settled` looks at, in two halves. */
const window = 10;

/**
 * Whether times have stopped falling: the median of the latest five is at most 3 % below that of the five before. Code that still moves
 * from a baseline compiler to an optimising one gets faster by far more than that.
 */
export function settled(times: readonly number[]): boolean {
  if (times.length < window) return false;
  const half = window / 2;
  return median(times.slice(-half)) >= 0.97 * median(times.slice(-window, -half));
}

/** Milliseconds of one call, averaged over the batch. */
async function sample(running: Running, clock: () => number): Promise<number> {
  const start = clock();
  for (let i = 0; i < running.batch; i++) {
    const result = running.task();
    if (result instanceof Promise) await result;
  }
  return (clock() - start) / running.batch;
}

/** Doubles the batch until a sample lasts `minMs`, and repeats until times settle. */
async function warmUp(running: Running, minMs: number, limitMs: number, clock: () => number): Promise<void> {
  const seen: number[] = [];
  const end = clock() + limitMs;
  while (!settled(seen) && (seen.length === 0 || clock() < end)) {
    const time = await sample(running, clock);
    if (time * running.batch >= minMs) seen.push(time);
    else running.batch *= 2;
  }
}

/**
 * Times several tasks against each other: each is warmed up until its times settle, then they take turns, so that a change of the
 * machine's mood meets all of them. The order turns round each time, so that none always follows the same other.
 */
export async function timeTogether<K extends string>(
  tasks: Readonly<Record<K, Task>>, options: TimeOptions = {},
): Promise<Record<K, Summary>> {
  const { samples = 30, minMs = 2, warmUpMs = 1000, clock = () => performance.now() } = options;
  expect(Number.isInteger(samples) && samples > 0, {
    kind: 'argument', where: 'timeTogether', needs: 'samples, a whole number above 0', got: `${samples}`,
  });
  const names = Object.keys(tasks) as K[];
  const runs = names.map((name): Running => ({ task: tasks[name], batch: 1, times: [] }));
  for (const running of runs) await warmUp(running, minMs, warmUpMs, clock);
  for (let i = 0; i < samples; i++) {
    for (const running of i % 2 ? runs.toReversed() : runs) running.times.push(await sample(running, clock));
  }
  return Object.fromEntries(names.map((name, i) => [name, summarize(runs[i].times)])) as Record<K, Summary>;
}
