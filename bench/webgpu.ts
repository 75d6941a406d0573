// Products and convolutions on WebGPU, in Node through the package webgpu: every shader that can run a case, held against the
// f64 sums before it is timed, then against the best dense shader and against itself with every position stored (identity),
// which isolates what the zeros cost. Ratios mean something on any adapter, GFLOP/s only on a real one.
// --shape name takes one shape, --json prints the rows. The driver is the system's; for a software one see test/browser.
import { parseArgs } from 'node:util';
import { storage, USAGE, write } from '../src/backends/webgpu/buffers.ts';
import { candidates } from '../src/backends/webgpu/candidates.ts';
import { guardOf, type Guard } from '../src/backends/webgpu/guard.ts';
import { productDispatch } from '../src/backends/webgpu/layers.ts';
import { pipelinesOf } from '../src/backends/webgpu/pipelines.ts';
import { convProblem, productProblem, tapsOf, type Problem } from '../src/backends/webgpu/problem.ts';
import { programOf, type Program } from '../src/backends/webgpu/program.ts';
import { hold, release, type Held } from '../src/backends/webgpu/weight.ts';
import { pack, type Block } from '../src/formats/index.ts';
import type { ConvWindow } from '../src/graph/ops/window.ts';
import { randomFrom } from '../src/random.ts';
import { print, say } from './files.ts';

/** One shader on one case. */
export interface WebgpuRow {
  readonly case: string;
  readonly shader: string;
  readonly density: number;
  readonly ms: number;
  /** Useful work, 2 · kept weights · columns. */
  readonly gflops: number;
  readonly maxError: number;
  /** GFLOP/s over those of the same shader with every position stored; over those of the best dense shader. */
  readonly ofIdentity?: number;
  readonly ofDense?: number;
}

interface Shape { readonly name: string; readonly m: number; readonly k: number; readonly n: number; readonly window?: ConvWindow }
interface Way {
  readonly name: string;
  readonly format: string;
  readonly block?: Block;
  readonly lanes: number;
  readonly densities: readonly number[];
}

const conv = (name: string, channels: number, size: number, kernel: number): Shape => {
  const pad = (kernel - 1) / 2;
  const window: ConvWindow = {
    batch: 1, inputs: channels, filters: channels, group: 1, kernel: [kernel, kernel], strides: [1, 1], dilations: [1, 1],
    pads: [pad, pad, pad, pad], in: [size, size], out: [size, size],
  };
  return { name, m: channels, k: channels * kernel * kernel, n: size * size, window };
};

const shapes: readonly Shape[] = [
  { name: 'small 64x1024x128', m: 64, k: 1024, n: 128 }, conv('small conv 3x3 32 at 16', 32, 16, 3),
  { name: '256x256x3136', m: 256, k: 256, n: 3136 }, { name: '1024x1024x1024', m: 1024, k: 1024, n: 1024 },
  { name: '4096x4096x4096', m: 4096, k: 4096, n: 4096 }, { name: '1000x2048x1', m: 1000, k: 2048, n: 1 },
  conv('conv 3x3 64 at 56', 64, 56, 3), conv('conv 3x3 256 at 14', 256, 14, 3), conv('conv 3x3 512 at 7', 512, 7, 3),
];

const sparse = [0.5, 0.25, 0.125];
/** How weights are stored; a block is kept or dropped whole, a window of 32 columns keeps as many columns in all rows. */
const ways: readonly Way[] = [
  { name: 'dense', format: 'dense', lanes: 4, densities: [1] }, { name: 'dense of 8', format: 'dense', lanes: 8, densities: [1] },
  { name: 'csr', format: 'csr', lanes: 1, densities: [1, ...sparse] },
  { name: 'bsr 4x1', format: 'bsr', block: { rows: 4, cols: 1 }, lanes: 4, densities: [1, ...sparse] },
  { name: 'bsr 16x16', format: 'bsr', block: { rows: 16, cols: 16 }, lanes: 4, densities: [1, ...sparse] },
  { name: 'bsr 32x32', format: 'bsr', block: { rows: 32, cols: 32 }, lanes: 4, densities: [1, ...sparse] },
  { name: 'vectors of 32, n:32', format: 'bsr', block: { rows: 32, cols: 1 }, lanes: 4, densities: [1, ...sparse] },
  { name: 'vectors of 64, n:32', format: 'bsr', block: { rows: 64, cols: 1 }, lanes: 4, densities: [1, ...sparse] },
  { name: 'nm n:4', format: 'nm', block: { rows: 1, cols: 1, keep: 4, of: 4 }, lanes: 1, densities: [1, 0.5, 0.25] },
];

/** Weights of which every row of blocks keeps the same share, so that work is what the density says. */
function weights({ m, k }: Shape, { block = { rows: 1, cols: 1 } }: Way, density: number): Float32Array {
  const random = randomFrom(m + k, 'bench'), values = random.normals(new Float32Array(m * k), 1 / Math.sqrt(k));
  const window = block.of ?? 32 * block.cols, per = window / block.cols, keep = Math.round(per * density);
  for (let row = 0; row < m; row += block.rows) {
    for (let first = 0; first < k; first += window) {
      const order = Array.from({ length: per }, (_, i) => ({ i, at: random.next() })).sort((a, b) => a.at - b.at);
      for (const { i } of order.slice(keep)) {
        for (let r = row; r < Math.min(row + block.rows, m); r++) {
          for (let c = first + i * block.cols, end = Math.min(c + block.cols, k); c < end; c++) values[r * k + c] = 0;
        }
      }
    }
  }
  return values;
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

interface Bench { readonly guard: Guard; readonly pipeline: ReturnType<typeof pipelinesOf>; readonly timed: boolean }

async function download(device: GPUDevice, from: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const to = device.createBuffer({ size: bytes, usage: USAGE.mapRead | USAGE.copyDst }), encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await to.mapAsync(1);
  const data = to.getMappedRange().slice(0);
  to.destroy();
  return data;
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
  const into = device.createBuffer({ size: 16, usage: 0x200 | USAGE.copySrc });
  submit(device, program, count, queries, into);
  const [from, to] = new BigInt64Array(await download(device, into, 16));
  queries.destroy();
  into.destroy();
  return Number(to - from) / 1e6;
}

/** A shader on a case, ready to be timed. */
interface Job {
  readonly row: Omit<WebgpuRow, 'ms' | 'gflops' | 'ofIdentity' | 'ofDense'>;
  /** 2 · kept weights · columns. */
  readonly flops: number;
  readonly program: Program;
  /** Runs of a sample: about 20 ms. */
  readonly count: number;
}

interface Prepared { readonly jobs: readonly Job[]; readonly buffers: readonly GPUBuffer[] }

/** Every shader of a case that gives the right sums. */
async function prepare(bench: Bench, shape: Shape, way: Way, density: number, only: RegExp): Promise<Prepared> {
  const { guard, pipeline } = bench, { device } = guard, { m, k, n, window } = shape, name = `${shape.name}, ${way.name}`;
  const values = weights(shape, way, density), x = randomFrom(n, 'x').normals(new Float32Array(window ? (k / 9) * n : k * n), 1);
  const block = way.block?.of ? { ...way.block, keep: Math.round(way.block.of * density) } : way.block;
  const packed = pack(way.format, { rows: m, cols: k, values }, { lanes: way.lanes, unit: 1, kBlock: 65535 }, block);
  const held: Held = await hold(guard, packed, { taps: window && tapsOf(window) }, name);
  const problem: Problem = window ? convProblem(window) : productProblem(held, n), wanted = samples(shape, values, x);
  const [b, c] = [x.byteLength, m * n * 4].map((bytes, i) => storage(device, `${name} ${i}`, bytes, USAGE.copySrc)), jobs: Job[] = [];
  write(device, b, x);
  for (const shader of candidates(held, problem).filter((one) => only.test(one))) {
    const dispatch = productDispatch(device, held, problem, { b: { buffer: b }, c: { buffer: c }, shader });
    const program = await programOf(guard, pipeline, [dispatch]);
    submit(device, program, 1);
    const got = new Float32Array(await download(device, c, m * n * 4));
    const maxError = Math.max(...wanted.map(({ at, sum }) => Math.abs(got[at] - sum) / (1 + Math.abs(sum))));
    if (!(maxError < 1e-4)) throw new Error(`${name} by ${shader}: error ${maxError}`);
    const once = await sample(bench, program, 1), count = Math.max(1, Math.min(1000, Math.round(20 / Math.max(once, 1e-3))));
    jobs.push({ row: { case: name, shader, density, maxError }, flops: 2 * m * k * density * n, program, count });
  }
  return { jobs, buffers: [...held.buffers, b, c] };
}

/** Rounds over all jobs of a shape, so that a slow moment of the machine meets all alike; the fastest sample counts. */
const ROUNDS = 9;

async function runShape(bench: Bench, shape: Shape, chosen: readonly Way[], only: RegExp): Promise<WebgpuRow[]> {
  const all: Prepared[] = [];
  for (const way of chosen) for (const density of way.densities) all.push(await prepare(bench, shape, way, density, only));
  const jobs = all.flatMap((one) => one.jobs), best = jobs.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { program, count }] of jobs.entries()) best[i] = Math.min(best[i], (await sample(bench, program, count)) / count);
  }
  for (const { program } of jobs) program.dispose();
  release(all.flatMap(({ buffers }) => buffers));
  return compared(jobs.map(({ row, flops }, i) => ({ ...row, ms: best[i], gflops: flops / best[i] / 1e6 })));
}

/** With each row's shares of the identity run and of the best dense shader. */
function compared(rows: readonly WebgpuRow[]): WebgpuRow[] {
  const dense = Math.max(0, ...rows.filter(({ shader }) => shader.includes('_dense_')).map(({ gflops }) => gflops));
  return rows.map((row) => {
    const full = rows.find((one) => one.case === row.case && one.shader === row.shader && one.density === 1);
    return { ...row, ...(full && { ofIdentity: row.gflops / full.gflops }), ...(dense && { ofDense: row.gflops / dense }) };
  });
}

function lineOf({ case: name, shader, density, ms, gflops, ofIdentity, ofDense, maxError }: WebgpuRow): string {
  const share = (x: number | undefined): string => (x === undefined ? '   -' : x.toFixed(2));
  return `${name.padEnd(40)} ${shader.padEnd(34)} ${density.toFixed(3)} ${ms.toFixed(3).padStart(9)} ms `
    + `${gflops.toFixed(2).padStart(8)} GFLOP/s identity ${share(ofIdentity)} dense ${share(ofDense)} error ${maxError.toExponential(0)}`;
}

/** WebGPU in Node: what `create` returns must live as long as the process. */
async function adapterOf(): Promise<GPUAdapter> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = create([]);
  Object.assign(globalThis, { burinGpu: gpu });
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no WebGPU adapter: needs a Vulkan driver');
  return adapter;
}

const { values: options } = parseArgs({
  options: { shape: { type: 'string' }, way: { type: 'string' }, shader: { type: 'string' }, json: { type: 'boolean' } },
});
const adapter = await adapterOf(), timed = adapter.features.has('timestamp-query');
const device = await adapter.requestDevice({ requiredFeatures: timed ? ['timestamp-query'] : [] });
const guard = guardOf(device), bench: Bench = { guard, pipeline: pipelinesOf(guard), timed };
say(`${adapter.info.vendor} ${adapter.info.architecture} ${adapter.info.description}, ${timed ? 'timestamp queries' : 'fences'}`);
const rows: WebgpuRow[] = [];
for (const shape of shapes.filter(({ name }) => name.includes(options.shape ?? 'small'))) {
  const chosen = ways.filter(({ name, format }) => format === 'dense' || new RegExp(options.way ?? '').test(name));
  const found = await runShape(bench, shape, chosen, new RegExp(options.shader ?? ''));
  for (const row of found) print(lineOf(row));
  rows.push(...found);
}
if (options.json) print(JSON.stringify(rows, null, 1));
device.destroy();
process.exit(0);
