// What test/browser/webgpu.test.ts runs inside of the page: layers on a GPUDevice held against f64 loops.
import { MAP_READ, storage, USAGE, write } from '../../src/backends/webgpu/buffers.ts';
import { candidates, wholeOf } from '../../src/backends/webgpu/candidates.ts';
import { guardOf, type Guard } from '../../src/backends/webgpu/guard.ts';
import { matmulOf, productDispatches, type MatMul } from '../../src/backends/webgpu/layers.ts';
import { pipelinesOf } from '../../src/backends/webgpu/pipelines.ts';
import { convProblem, linearProblem, tapsOf, type Problem } from '../../src/backends/webgpu/problem.ts';
import { programOf, type Dispatch } from '../../src/backends/webgpu/program.ts';
import { pieceBytes } from '../../src/backends/webgpu/split.ts';
import { hold, packGroups, release } from '../../src/backends/webgpu/weight.ts';
import { type Block, type Packed } from '../../src/formats/index.ts';
import type { ConvWindow } from '../../src/graph/ops/window.ts';
import { randomFrom } from '../../src/random.ts';

/** How a weight is stored. */
export interface Walk {
  readonly format: string;
  readonly block?: Block;
  readonly lanes: number;
  readonly kBlock?: number;
  /** Whether weights are such as 16 bits hold, and are stored so. */
  readonly half?: boolean;
}

export interface LayerCase extends Walk {
  readonly name: string;
  /** A convolution, or `vectors` of a linear layer [M, K]. */
  readonly window?: ConvWindow;
  readonly linear?: { readonly m: number; readonly k: number; readonly vectors: number };
  readonly density: number;
  /** Rows all of whose weights are kept (single weights only). */
  readonly heavy?: readonly number[];
  readonly residual?: boolean;
  readonly min?: number;
  readonly max?: number;
}

export interface LayerOutcome { readonly name: string; readonly shader: string; readonly error: number }

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** A weight with six bits after the first, and none so small that 16 bits would not hold it as a normal number. */
const coarse = (value: number): number => {
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 6);
  return step < 2 ** -16 ? 0 : Math.round(value / step) * step;
};

/** Rows of weights in the order k = tap, channel, whose zeros fit the block. */
function rowsOf(rows: number, cols: number, { density, block, half, heavy = [] }: LayerCase): Float32Array {
  const random = randomFrom(rows * 1000 + cols, 'layer');
  const values = random.normals(new Float32Array(rows * cols), 1 / Math.sqrt(cols)).map((value) => (half ? coarse(value) : value));
  const high = block?.of ? 1 : block?.rows ?? 1, wide = block?.cols ?? 1, drop = new Map<string, boolean>();
  return values.map((value, i) => {
    const row = Math.floor(i / cols), k = i % cols;
    if (heavy.includes(row)) return value;
    if (block?.of) return k % block.of < block.keep! ? value : 0;
    const key = `${Math.floor(row / high)},${Math.floor(k / wide)}`;
    if (!drop.has(key)) drop.set(key, random.next() >= density);
    return drop.get(key) ? 0 : value;
  });
}

/** The sum of weight · image over the taps that lie inside, in f64. */
function convolved(w: ConvWindow, weight: Float32Array, x: Float32Array): Float64Array {
  const [[kh, kw], [h, wide], [oh, ow]] = [w.kernel, w.in, w.out], ins = w.inputs / w.group, outs = w.filters / w.group;
  const y = new Float64Array(w.batch * w.filters * oh * ow), cols = kh * kw * ins;
  for (let at = 0; at < y.length; at++) {
    const ox = at % ow, oy = Math.floor(at / ow) % oh, o = Math.floor(at / ow / oh) % w.filters, n = Math.floor(at / ow / oh / w.filters);
    for (let k = 0; k < cols; k++) {
      const channel = k % ins, tap = Math.floor(k / ins);
      const iy = oy * w.strides[0] + Math.floor(tap / kw) * w.dilations[0] - w.pads[0];
      const ix = ox * w.strides[1] + (tap % kw) * w.dilations[1] - w.pads[1];
      if (iy < 0 || iy >= h || ix < 0 || ix >= wide) continue;
      y[at] += weight[o * cols + k] * x[((n * w.inputs + Math.floor(o / outs) * ins + channel) * h + iy) * wide + ix];
    }
  }
  return y;
}

function linear({ m, k, vectors }: Required<LayerCase>['linear'], weight: Float32Array, x: Float32Array): Float64Array {
  return Float64Array.from({ length: vectors * m }, (_, at) => {
    const row = at % m, first = Math.floor(at / m) * k;
    let sum = 0;
    for (let i = 0; i < k; i++) sum += weight[row * k + i] * x[first + i];
    return sum;
  });
}

/** Weight, input and expected sums of a case. */
function operandsOf(one: LayerCase) {
  const { window: w } = one, random = randomFrom(7, 'x');
  if (w) {
    const cols = product(w.kernel) * (w.inputs / w.group), values = rowsOf(w.filters, cols, one);
    const x = random.normals(new Float32Array(w.batch * w.inputs * product(w.in)), 1);
    return { rows: w.filters, cols, groups: w.group, values, x, sums: convolved(w, values, x), plane: product(w.out) };
  }
  const { m, k, vectors } = one.linear!, values = rowsOf(m, k, one), x = random.normals(new Float32Array(k * vectors), 1);
  return { rows: m, cols: k, groups: 1, values, x, sums: linear(one.linear!, values, x), plane: 1 };
}

type Made = ReturnType<typeof operandsOf>;

/** All of it once more, in the rows' own order: sum, bias, residual, bounds. */
function finished(
  { sums, rows, plane }: Made, { min, max }: LayerCase, bias: Float32Array, residual: Float32Array | undefined,
): Float64Array {
  return sums.map((sum, at) => {
    const whole = sum + bias[Math.floor(at / plane) % rows] + (residual?.[at] ?? 0);
    return Math.min(Math.max(whole, min ?? -Infinity), max ?? Infinity);
  });
}

function packed({ rows, cols, values, groups }: Made, { format, block, lanes, kBlock = 65535 }: LayerCase): Packed {
  return packGroups(format, { rows, cols, values }, groups, { lanes, unit: 1, kBlock }, block);
}

async function read(device: GPUDevice, from: GPUBuffer, length: number): Promise<Float32Array> {
  const to = device.createBuffer({ size: length * 4, usage: USAGE.mapRead | USAGE.copyDst }), encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, to, 0, length * 4);
  device.queue.submit([encoder.finish()]);
  await to.mapAsync(MAP_READ);
  return new Float32Array(to.getMappedRange().slice(0));
}

/** The largest error, in units of 1 + |expected|; a NaN is one. */
function errorOf(got: Float32Array, want: Float64Array): number {
  const off = (x: number, i: number): number => (Number.isNaN(got[i]) ? Infinity : Math.abs(got[i] - x) / (1 + Math.abs(x)));
  return want.reduce((worst, x, i) => Math.max(worst, off(x, i)), 0);
}

async function run(
  guard: Guard, pipeline: ReturnType<typeof pipelinesOf>, dispatches: readonly Dispatch[], c: GPUBuffer, length: number,
): Promise<Float32Array> {
  const program = await programOf(guard, pipeline, dispatches), encoder = guard.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  program.encode(pass);
  pass.end();
  guard.device.queue.submit([encoder.finish()]);
  program.dispose();
  return read(guard.device, c, length);
}

/** A software adapter compiles a staged shader for seconds: of its tiles, which differ in sizes alone, one of each pattern runs here. */
const tried = (name: string): boolean => !/matmul|windows/.test(name)
  || /(dense|csr|nm).*_32x64$|dense.*_1_64x64$|bsr.*_16x128$/.test(name);
/** A shader's name without its sizes. */
export const kindOf = (name: string): string => name.replace(/(_\d+)+(x\d+)?/, '');

/** And it is slow: a case runs the candidates of kinds that did not run yet, and one that did, another one each time. */
function some(names: readonly string[], ran: Set<string>): string[] {
  const fresh = names.filter((name, i) => !ran.has(kindOf(name)) && names.findIndex((other) => kindOf(other) === kindOf(name)) === i);
  const more = names[ran.size % names.length];
  for (const name of fresh) ran.add(kindOf(name));
  ran.add(`${ran.size} cases`);
  return [...new Set([...fresh, more])];
}

/** Candidates' errors. Where the result is not written a NaN stays. */
async function runLayer(
  guard: Guard, pipeline: ReturnType<typeof pipelinesOf>, one: LayerCase, pick: (names: readonly string[]) => readonly string[],
): Promise<LayerOutcome[]> {
  const { device } = guard, made = operandsOf(one), random = randomFrom(3, 'bias'), length = made.sums.length;
  const bias = random.normals(new Float32Array(made.rows), 1), residual = random.normals(new Float32Array(length), 1);
  const taps = one.window && tapsOf(one.window);
  const held = await hold(guard, packed(made, one), {
    bias, groups: made.groups, rows: made.rows / made.groups, taps, half: one.half,
  }, one.name);
  const problem: Problem = one.window ? convProblem(one.window) : linearProblem(held, one.linear!.vectors);
  const want = finished(made, one, bias, one.residual ? residual : undefined), outcomes: LayerOutcome[] = [];
  const [b, c, r] = [made.x, want, residual].map(({ length }, i) => storage(device, `${one.name} ${i}`, length * 4, USAGE.copySrc));
  write(device, b, made.x);
  write(device, r, residual);
  const pieces = storage(device, `${one.name} pieces`, pieceBytes(held, problem));
  for (const shader of pick(candidates(held, problem, device).filter((name) => tried(wholeOf(name))))) {
    write(device, c, new Float32Array(length).fill(NaN));
    const dispatches = productDispatches(device, held, problem, {
      b: { buffer: b }, c: { buffer: c }, ...(one.residual && { residual: { buffer: r } }), shader, min: one.min, max: one.max,
      pieces: { buffer: pieces },
    });
    outcomes.push({ name: one.name, shader, error: errorOf(await run(guard, pipeline, dispatches, c, length), want) });
  }
  release([...held.buffers, b, c, r, pieces]);
  return outcomes;
}

/** A product of activations: rows of A times columns of B, image by image. */
async function runMatmul(guard: Guard, pipeline: ReturnType<typeof pipelinesOf>, one: MatMul): Promise<LayerOutcome> {
  const { device } = guard, { m, k, n, images = 1, sameA, sameB, transposed } = one, random = randomFrom(5, 'matmul');
  const [x, y] = [(sameA ? 1 : images) * m * k, (sameB ? 1 : images) * k * n].map((length) => random.normals(new Float32Array(length), 1));
  const want = Float64Array.from({ length: images * m * n }, (_, at) => {
    const col = at % n, row = Math.floor(at / n) % m, image = Math.floor(at / n / m);
    let sum = 0;
    for (let i = 0; i < k; i++) {
      sum += x[((sameA ? 0 : image) * m + row) * k + i] * y[(sameB ? 0 : image) * k * n + (transposed ? col * k + i : i * n + col)];
    }
    return sum;
  });
  const [a, b, c] = [x, y, want].map(({ length }, i) => storage(device, `matmul ${i}`, length * 4, USAGE.copySrc));
  write(device, a, x);
  write(device, b, y);
  const { shader, dispatches } = matmulOf(one);
  const got = await run(guard, pipeline, dispatches(device, { a: { buffer: a }, b: { buffer: b }, c: { buffer: c } }), c, want.length);
  release([a, b, c]);
  return { name: JSON.stringify(one), shader, error: errorOf(got, want) };
}

/** What the cases gave on a device, and what it complained of. */
export interface Outcomes { readonly outcomes: LayerOutcome[]; readonly uncaptured: string[] }

export interface Running {
  /** Which candidates run. */
  readonly which?: (name: string) => boolean;
  readonly matmuls?: readonly MatMul[];
  /** The text of a shader, where it is not that of the engine. */
  readonly textOf?: (name: string) => string;
}

/** A share of the candidates of every case, or those that are asked for. */
export async function runLayersOn(
  device: GPUDevice, cases: readonly LayerCase[], { which, matmuls = [], textOf }: Running = {},
): Promise<Outcomes> {
  const guard = guardOf(device), pipeline = pipelinesOf(guard, textOf), uncaptured: string[] = [];
  device.addEventListener('uncapturederror', ({ error }) => uncaptured.push(error.message));
  const outcomes: LayerOutcome[] = [];
  const ran = new Set<string>(), pick = (names: readonly string[]): readonly string[] => (which ? names.filter(which) : some(names, ran));
  for (const one of cases) outcomes.push(...await runLayer(guard, pipeline, one, pick));
  for (const one of matmuls) outcomes.push(await runMatmul(guard, pipeline, one));
  return { outcomes, uncaptured };
}

/** The same on a device with default limits. */
export async function runLayers(cases: readonly LayerCase[], matmuls: readonly MatMul[]): Promise<Outcomes> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter');
  const device = await adapter.requestDevice(), found = await runLayersOn(device, cases, { matmuls });
  device.destroy();
  return found;
}
