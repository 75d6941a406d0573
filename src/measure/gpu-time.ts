import type { Gpu } from '../backends/webgpu/gpu.ts';
import type { Program } from '../backends/webgpu/program.ts';
import { stopwatchFor } from '../backends/webgpu/timing.ts';
import { settled, summarize, type Summary } from './time.ts';

/** A sample repeats its program in one pass until it lasts this long: clocks of GPUs count in steps of up to 0.1 ms. */
const SAMPLE_MS = 4;
const MOST_RUNS = 512;
/** Warming up (compilers, the clock rate of the device) ends after this long a program, settled or not. */
const WARM_UP_MS = 400;

export interface GpuTimeOptions {
  /** Of each program; 30 where absent. */
  readonly samples?: number;
  readonly warmUpMs?: number;
}

/** Ms of one of `runs` runs in a row: by the device's own clock where it has one, else from submission to a fence. */
async function sample({ guard }: Gpu, program: Program, runs: number): Promise<number> {
  const { device } = guard, where = 'timing', watch = await stopwatchFor(guard, 1), start = performance.now();
  try {
    await guard.run(where, () => {
      const encoder = device.createCommandEncoder({ label: where });
      const pass = encoder.beginComputePass({ label: where, timestampWrites: watch?.writes(0) });
      for (let i = 0; i < runs; i++) program.encode(pass);
      pass.end();
      watch?.resolve(encoder);
      device.queue.submit([encoder.finish()]);
    });
    if (watch) return (await watch.read())[0] / runs;
    await guard.wait(where, 'work to end', device.queue.onSubmittedWorkDone());
    return (performance.now() - start) / runs;
  } finally {
    watch?.dispose();
  }
}

/** Runs until times settle. @returns how many runs make a sample */
async function warmUp(gpu: Gpu, program: Program, limitMs: number): Promise<number> {
  const seen: number[] = [], start = performance.now();
  let runs = 1;
  do {
    const ms = await sample(gpu, program, runs), wanted = Math.ceil(SAMPLE_MS / Math.max(ms, SAMPLE_MS / MOST_RUNS));
    if (wanted > 2 * runs) runs = wanted;
    else seen.push(ms);
  } while (!settled(seen) && (!seen.length || performance.now() - start < limitMs));
  return runs;
}

/** Times programs in turns, in an order that turns round each time, so that a change of the device's mood meets all of them. */
export async function timeOnGpu<K extends string>(
  gpu: Gpu, programs: Readonly<Record<K, Program>>, { samples = 30, warmUpMs = WARM_UP_MS }: GpuTimeOptions = {},
): Promise<Record<K, Summary>> {
  const lanes: { name: K; program: Program; runs: number; times: number[] }[] = [];
  for (const [name, program] of Object.entries(programs) as [K, Program][]) {
    lanes.push({ name, program, runs: await warmUp(gpu, program, warmUpMs), times: [] });
  }
  for (let i = 0; i < samples; i++) {
    for (const { program, runs, times } of i % 2 ? lanes.toReversed() : lanes) times.push(await sample(gpu, program, runs));
  }
  return Object.fromEntries(lanes.map(({ name, times }) => [name, summarize(times)])) as Record<K, Summary>;
}
