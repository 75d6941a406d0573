// Every shader that can run a shape, held against f64 sums before it is timed, then against the best dense shader and against
// itself with every position stored (identity), which isolates what the zeros cost. The same in Node and in a page.
import { storage, USAGE, write } from '../src/backends/webgpu/buffers.ts';
import { candidates, wholeOf } from '../src/backends/webgpu/candidates.ts';
import { findDevice } from '../src/backends/webgpu/device.ts';
import { guardOf, type Guard } from '../src/backends/webgpu/guard.ts';
import { productDispatches } from '../src/backends/webgpu/layers.ts';
import { pipelinesOf } from '../src/backends/webgpu/pipelines.ts';
import { convProblem, productProblem, tapsOf, type Problem } from '../src/backends/webgpu/problem.ts';
import { programOf, type Program } from '../src/backends/webgpu/program.ts';
import { hold, release, type Held } from '../src/backends/webgpu/weight.ts';
import { pack } from '../src/formats/index.ts';
import { randomFrom } from '../src/random.ts';
import { bytesOf } from './peers/gpu-buffers.ts';
import { shapes, ways, weights, type Scale, type Shape, type Way } from './webgpu-cases.ts';
import { compared, type Place, type Setting, type ShaderRow } from './webgpu-rows.ts';

/** A device to time shaders on. */
export interface Bench {
  readonly guard: Guard;
  readonly pipeline: ReturnType<typeof pipelinesOf>;
  readonly place: Place;
  /** Whether the device has a clock of its own. */
  readonly timed: boolean;
}

export async function openBench(where: Place['where']): Promise<Bench> {
  const { device, adapter } = await findDevice({ powerPreference: 'high-performance' }), guard = guardOf(device);
  return { guard, pipeline: pipelinesOf(guard), place: { adapter, where }, timed: device.features.has('timestamp-query') };
}

export function settingOf({ place, timed }: Bench, runtime: string): Setting {
  return { ...place, runtime, clock: timed ? 'timestamp queries' : 'fences' };
}

/** Which shapes, ways and shaders to run, by parts of their names; all where absent. */
export interface Wish {
  readonly shape?: string;
  readonly way?: string;
  readonly shader?: string;
}

/** f64 sums of some elements of C, spread over all of it. */
function samples({ m, k, n, window: w }: Shape, a: Float32Array, x: Float32Array): { at: number; sum: number }[] {
  const count = 64;
  return Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * (m * n - 1)) / (count - 1)), row = Math.floor(at / n), col = at % n;
    let sum = 0;
    for (let j = 0; j < k; j++) {
      if (!w) { sum += a[row * k + j] * x[j * n + col]; continue; }
      const tap = Math.floor(j / w.inputs), y = Math.floor(col / w.out[1]) + Math.floor(tap / w.kernel[1]) - w.pads[0];
      const left = (col % w.out[1]) + (tap % w.kernel[1]) - w.pads[1];
      if (y >= 0 && y < w.in[0] && left >= 0 && left < w.in[1]) sum += a[row * k + j] * x[((j % w.inputs) * w.in[0] + y) * w.in[1] + left];
    }
    return { at, sum };
  });
}

function submit(device: GPUDevice, program: Program, count: number, queries?: GPUQuerySet, into?: GPUBuffer): void {
  const encoder = device.createCommandEncoder();
  const timestampWrites = queries && { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  const pass = encoder.beginComputePass({ timestampWrites });
  for (let i = 0; i < count; i++) program.encode(pass);
  pass.end();
  if (queries && into) encoder.resolveQuerySet(queries, 0, 2, into, 0);
  device.queue.submit([encoder.finish()]);
}

/** Milliseconds of `count` runs: by timestamps, or between two fences where the adapter has none. */
async function sample({ guard: { device }, timed }: Bench, program: Program, count: number): Promise<number> {
  if (!timed) {
    await device.queue.onSubmittedWorkDone();
    const start = performance.now();
    submit(device, program, count);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  }
  const queries = device.createQuerySet({ type: 'timestamp', count: 2 });
  const into = device.createBuffer({ size: 16, usage: USAGE.queryResolve | USAGE.copySrc });
  submit(device, program, count, queries, into);
  const [from, to] = new BigInt64Array(await bytesOf(device, into, 16));
  queries.destroy();
  into.destroy();
  return Number(to - from) / 1e6;
}

/** A shader on a case, ready to be timed. */
interface Job {
  readonly row: Omit<ShaderRow, 'ms' | 'gflops' | 'ofIdentity' | 'ofDense'>;
  /** 2 · kept weights · columns. */
  readonly flops: number;
  readonly program: Program;
  /** Runs of a sample: about 20 ms. */
  readonly count: number;
}

interface Prepared { readonly jobs: readonly Job[]; readonly buffers: readonly GPUBuffer[] }

/** Every shader of a case that gives the right sums. */
async function prepare(
  bench: Bench, shape: Shape, { way, lanes, density, only }: { way: Way; lanes: number; density: number; only: RegExp },
): Promise<Prepared> {
  const { guard, pipeline } = bench, { device } = guard, { m, k, n, window } = shape, name = `${shape.name}, ${way.name}`;
  const values = weights(shape, way, density), x = randomFrom(n, 'x').normals(new Float32Array(window ? (k / 9) * n : k * n), 1);
  const block = way.block?.of ? { ...way.block, keep: Math.round(way.block.of * density) } : way.block;
  const packed = pack(way.format, { rows: m, cols: k, values }, { lanes, unit: 1, kBlock: 65535 }, block);
  const held: Held = await hold(guard, packed, { taps: window && tapsOf(window) }, name);
  const problem: Problem = window ? convProblem(window) : productProblem(held, n), wanted = samples(shape, values, x);
  const [b, c] = [x.byteLength, m * n * 4].map((bytes, i) => storage(device, `${name} ${i}`, bytes, USAGE.copySrc)), jobs: Job[] = [];
  write(device, b, x);
  // Weights here have no heavy rows worth cutting: whole products only.
  const shaders = candidates(held, problem, device).filter((one) => wholeOf(one) === one && only.test(one));
  for (const shader of shaders) {
    const operands = { b: { buffer: b }, c: { buffer: c }, shader };
    const program = await programOf(guard, pipeline, productDispatches(device, held, problem, operands));
    submit(device, program, 1);
    const got = new Float32Array(await bytesOf(device, c, m * n * 4));
    const maxError = Math.max(...wanted.map(({ at, sum }) => Math.abs(got[at] - sum) / (1 + Math.abs(sum))));
    if (!(maxError < 1e-4)) throw new Error(`${name} by ${shader}: error ${maxError}`);
    const once = await sample(bench, program, 1), count = Math.max(1, Math.min(1000, Math.round(20 / Math.max(once, 1e-3))));
    jobs.push({
      row: { ...bench.place, case: shape.name, way: way.name, shader, density, maxError }, flops: 2 * packed.nnz * n, program, count,
    });
  }
  return { jobs, buffers: [...held.buffers, b, c] };
}

/** Rounds over all jobs of a shape, so that a slow moment of the machine meets all alike; the fastest sample counts. */
const ROUNDS = { all: 2, contenders: 10 };
/** A shader this many times slower than the fastest of its way and density is out of the race after the first rounds. */
const HOPELESS = 2;

async function timeRounds(bench: Bench, jobs: readonly Job[], best: Map<Job, number>, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const job of jobs) {
      const ms = (await sample(bench, job.program, job.count)) / job.count;
      best.set(job, Math.min(best.get(job) ?? Infinity, ms));
    }
  }
}

/** Jobs that may still be the fastest of their way and density, and their shaders with every position stored. */
function contenders(jobs: readonly Job[], best: ReadonlyMap<Job, number>): Job[] {
  const rivals = ({ row }: Job): Job[] => jobs.filter((other) => other.row.way === row.way && other.row.density === row.density);
  const left = jobs.filter((job) => best.get(job)! <= HOPELESS * Math.min(...rivals(job).map((other) => best.get(other)!)));
  const names = new Set(left.map(({ row }) => `${row.way} ${row.shader}`));
  return jobs.filter((job) => left.includes(job) || (job.row.density === 1 && names.has(`${job.row.way} ${job.row.shader}`)));
}

/** Every shader that can run a shape, by way of storing its weights. Dense ones are always there: others are held against them. */
export async function shaderRows(bench: Bench, shape: Shape, { way = '', shader = '' }: Wish = {}): Promise<ShaderRow[]> {
  const all: Prepared[] = [], only = new RegExp(shader), best = new Map<Job, number>();
  const chosen = ways.filter(({ name, format }) => format === 'dense' || new RegExp(way).test(name));
  for (const one of chosen) {
    for (const lanes of one.lanes) {
      for (const density of one.densities) all.push(await prepare(bench, shape, { way: one, lanes, density, only }));
    }
  }
  const jobs = all.flatMap((one) => one.jobs);
  await timeRounds(bench, jobs, best, ROUNDS.all);
  await timeRounds(bench, contenders(jobs, best), best, ROUNDS.contenders);
  for (const { program } of jobs) program.dispose();
  release(all.flatMap(({ buffers }) => buffers));
  return compared(jobs.map((job) => ({ ...job.row, ms: best.get(job)!, gflops: job.flops / best.get(job)! / 1e6 })));
}

/** A software adapter does a few GFLOP/s, on a large machine some dozens; the weakest of others hundreds. */
const LARGE_GFLOPS = 150;

/** Which shapes are worth timing here, by the speed of one dense product. */
export async function scaleOf(bench: Bench): Promise<Scale> {
  const [shape] = shapes.large, way = ways.find(({ format }) => format === 'dense')!;
  const { jobs, buffers } = await prepare(bench, shape, { way, lanes: 4, density: 1, only: /./ });
  let most = 0;
  for (const { program, flops, count } of jobs) {
    most = Math.max(most, (flops * count) / (await sample(bench, program, count)) / 1e6);
    program.dispose();
  }
  release(buffers);
  return most > LARGE_GFLOPS ? 'large' : 'small';
}
