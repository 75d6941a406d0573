import Benchmark from 'benchmark';
import type { Timer } from '../src/measure/kernels.ts';
import { summarize, timeTogether, type Summary, type Task } from '../src/measure/time.ts';

/** Seconds: a sample lasts at least the first, a kernel is measured for about the second. */
const MIN_SAMPLE_S = 0.004;
const MOST_S = 0.25;

/** Benchmark.js's own samples of one task, in milliseconds a call. */
function sampled(name: string, task: Task): Summary {
  const bench = new Benchmark(name, task, { async: false, minSamples: 10, minTime: MIN_SAMPLE_S, maxTime: MOST_S }).run();
  const { error } = bench as { error?: Error };
  if (error) throw error;
  return summarize(bench.stats.sample.map((seconds) => seconds * 1000));
}

/** Each task alone, after all were warmed up together: Benchmark.js does not take turns. */
export const benchmarkTimer: Timer = async (tasks) => {
  await timeTogether(tasks, { samples: 1 });
  return Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, sampled(name, task)]));
};
