import type { Backend } from '../backends/index.ts';
import type { Gpu } from '../backends/webgpu/gpu.ts';
import { countNonzero, type Matrix } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../tensor.ts';
import type { Bed, BenchDevice, Entrant, Times, Wanted } from './bed.ts';
import { layerGraph, maskedGraph, productOf, type BenchCase, type BenchLayer, type Product } from './cases.ts';
import { fill } from './feeds.ts';
import { gpuBench } from './gpu-bed.ts';
import type { Environment } from './record.ts';
import { errorAgainst, referenceOf, type Reference } from './reference.ts';
import type { Machine } from './roofline.ts';
import { wasmBench, type Timer } from './wasm-bed.ts';

export type { Timer } from './wasm-bed.ts';

/** One kernel on one case, on any device. */
export interface KernelTiming {
  readonly case: string;
  readonly kernel: string;
  /** `dense`, `csr`, `bsr 4x1`, `nm 2:4`. */
  readonly format: string;
  /** A key of `masks`, or `own`; `none` for dense kernels on the whole weight. */
  readonly mask: string;
  /** C[m×n] = A[m×k]·B[k×n]. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Fraction of zeros really in the weight. */
  readonly sparsity: number;
  readonly medianMs: number;
  /** Half the distance between the quartiles of the samples, as a fraction of the median. */
  readonly spread: number;
  /** 10^9 FLOPs a second of useful work: 2 · nonzeros · n. */
  readonly gflops: number;
  /** The same, as if every weight had been multiplied: 2 · m · k · n. */
  readonly effectiveGflops: number;
  /** gflops over those of the fastest dense kernel, timed in turns with this one: measured over theoretical speedup. */
  readonly efficiency: number;
  /** gflops over the ceiling of the device, which is timed in turns with the dense kernels of each layer; absent on a GPU. */
  readonly peakFraction?: number;
  /**
   * On a GPU: gflops over those of the same shader on the same storage with every position stored, timed in turns: what the zeros cost,
   * whatever the shader does with the rest. Absent where the shader cannot store every position.
   */
  readonly ofIdentity?: number;
  /** Largest difference of an output from f64 sums. */
  readonly maxError: number;
  /** Whether it is the fastest of its case: among dense kernels, or among sparse ones. */
  readonly best: boolean;
}

/** On WebAssembly. */
export interface KernelRow extends KernelTiming { readonly peakFraction: number }

export interface KernelTimings {
  readonly environment: Environment;
  /** Absent on a GPU: what it can do at best cannot be measured from here. */
  readonly ceiling?: Machine;
  readonly rows: readonly KernelTiming[];
}

/** On WebAssembly. */
export interface KernelBench extends KernelTimings { readonly ceiling: Machine; readonly rows: readonly KernelRow[] }

interface Options<Bench extends KernelTimings> {
  /** Turns of each task; 30 when absent. */
  readonly samples?: number;
  /** Every kernel that can run a case, not only the fastest sparse one of each format. */
  readonly all?: boolean;
  /** Sparse formats to time, as `csr`, `bsr` or `bsr 4x1`; all where absent. */
  readonly formats?: readonly string[];
  /** Multiply-adds of the rows of an output that are compared with f64 sums; 10^8 when absent. */
  readonly checkedMacs?: number;
  /** Rows as soon as they are measured. */
  readonly onRows?: (rows: Bench['rows'], bench: Omit<Bench, 'rows'>) => void;
}

export interface KernelBenchOptions extends Options<KernelBench> {
  /** Must have kernels; the caller keeps and disposes it. */
  readonly backend: Backend;
  /** In place of `timeTogether`. */
  readonly timer?: Timer;
}

export interface ShaderBenchOptions extends Options<KernelTimings> {
  /** The caller keeps and disposes it. */
  readonly gpu: Gpu;
}

/** What every step of a bench needs. */
interface Setting<E extends Entrant> extends Wanted {
  readonly device: BenchDevice<E>;
  readonly checkedMacs?: number;
}

/** An entrant whose results were compared. */
interface Checked<E> { readonly entrant: E; readonly maxError: number }

/**
 * Times dense and sparse kernels on cases. For each layer all dense kernels; for each case its sparse candidates, in turns with the
 * fastest dense kernel. Results are compared with the reference before anything is timed.
 * @throws BurinError `device` for a kernel that is wrong (then nothing is timed) or a backend without kernels
 */
export async function benchKernels(cases: readonly BenchCase[], options: KernelBenchOptions): Promise<KernelBench> {
  const device = await wasmBench(options.backend, options.samples, options.timer);
  return benchOn(device, cases, options as Options<KernelTimings>) as Promise<KernelBench>;
}

/**
 * The same for shaders on a GPU: sparse ones are also timed in turns with themselves on a weight of which every position is stored.
 * @throws BurinError `device` for a shader that is wrong (then nothing is timed), or a device that fails
 */
export async function benchShaders(cases: readonly BenchCase[], options: ShaderBenchOptions): Promise<KernelTimings> {
  return benchOn(gpuBench(options.gpu, options.samples), cases, options);
}

async function benchOn<E extends Entrant>(
  device: BenchDevice<E>, cases: readonly BenchCase[], { all = false, formats, checkedMacs, onRows }: Options<KernelTimings>,
): Promise<KernelTimings> {
  const { environment, ceiling } = device, bench = { environment, ...(ceiling && { ceiling }) }, rows: KernelTiming[] = [];
  const setting = { device, all, formats, checkedMacs };
  const add = (found: readonly KernelTiming[]): void => {
    rows.push(...found);
    onRows?.(found, bench);
  };
  for (const layer of new Set(cases.map((one) => one.layer))) {
    const graph = layerGraph(layer), x = fill(graph.inputs[0], graph.inputs[0].dims as number[], 'random', 1);
    const input = { layer, graph, x, reference: referenceOf(graph, x, checkedMacs) }, dense = await denseRows(setting, input);
    add(dense.rows);
    for (const one of cases.filter((other) => other.layer === layer)) add(await sparseRows(setting, { ...input, ...dense, one }));
  }
  return { ...bench, rows };
}

interface LayerInput {
  readonly layer: BenchLayer;
  readonly graph: Graph;
  readonly x: Tensor;
  readonly reference: Reference;
}

/** The fastest dense kernel of a layer, and the ceiling beside it: 10^9 FLOPs a second. */
interface DenseSide {
  readonly fastest: string;
  readonly peak?: number;
}

async function denseRows<E extends Entrant>(
  setting: Setting<E>, input: LayerInput,
): Promise<{ rows: KernelTiming[] } & DenseSide> {
  const { device } = setting, bed = await device.bed(input.graph, input.x);
  try {
    const entrants = await checked(bed, await bed.entrants(true, setting), input);
    const times = await device.time(byKey(entrants), 'dense'), best = fastestOf(entrants, times);
    const name = `${input.graph.name} dense`, { matrix } = bed, { peak } = times;
    const common = { ...input, matrix, times, dense: best, best, peak, mask: 'none', name };
    return { rows: entrants.map((one) => rowOf({ ...common, one })), fastest: keyOf(best.entrant), peak };
  } finally {
    bed.dispose();
  }
}

async function sparseRows<E extends Entrant>(
  setting: Setting<E>, input: LayerInput & DenseSide & { one: BenchCase },
): Promise<KernelTiming[]> {
  const { one: { mask, name }, graph, x, fastest } = input, { device, all, checkedMacs } = setting, masked = maskedGraph(graph, input.one);
  const beds: Bed<E>[] = [];
  const lay = async (of: Graph): Promise<Bed<E>> => {
    beds.push(await device.bed(of, x));
    return beds.at(-1)!;
  };
  try {
    const bed = await lay(masked), found = await bed.entrants(false, setting);
    if (found.length === 0) return [];
    const able = await checked(bed, found, { graph: masked, reference: referenceOf(masked, x, checkedMacs) });
    const entrants = all ? able : await bestOfFormats(device, able), whole = await lay(graph);
    const [dense] = await checked(whole, (await whole.entrants(true, setting)).filter((one) => keyOf(one) === fastest), input);
    const same = await identities(whole, entrants, input);
    const times = await device.time({ ...byKey([dense, ...entrants]), ...same }, 'sparse'), best = fastestOf(entrants, times);
    return entrants.map((one) => rowOf({ ...input, one, matrix: bed.matrix, times, dense, best, mask, name }));
  } finally {
    for (const bed of beds) bed.dispose();
  }
}

/** Runs every entrant once and compares the result. */
async function checked<E extends Entrant>(
  bed: Bed<E>, entrants: readonly E[], { graph, reference }: Pick<LayerInput, 'graph' | 'reference'>,
): Promise<Checked<E>[]> {
  const all: Checked<E>[] = [];
  for (const entrant of entrants) {
    await bed.reset();
    await entrant.run();
    const where = `${graph.name}, ${entrant.format}, ${entrant.kernel}`;
    all.push({ entrant, maxError: errorAgainst(reference, await bed.output(), where) });
  }
  return all;
}

const keyOf = ({ format, kernel }: Entrant): string => `${format} ${kernel}`;
const identityKey = (entrant: Entrant): string => `${keyOf(entrant)}, every position`;
const byKey = <E extends Entrant>(list: readonly Checked<E>[]): Record<string, E> =>
  Object.fromEntries(list.map(({ entrant }) => [keyOf(entrant), entrant]));

/** The entrants on the whole weight, where the device has that. */
async function identities<E extends Entrant>(bed: Bed<E>, entrants: readonly Checked<E>[], input: LayerInput): Promise<Record<string, E>> {
  const found: Record<string, E> = {};
  for (const { entrant } of entrants) {
    const same = await bed.identity?.(entrant);
    if (!same) continue;
    await checked(bed, [same], input);
    found[identityKey(entrant)] = same;
  }
  return found;
}

function fastestOf<E extends Entrant>(list: readonly Checked<E>[], { of }: Times): Checked<E> {
  return list.reduce((best, one) => (of[keyOf(one.entrant)].medianMs < of[keyOf(best.entrant)].medianMs ? one : best));
}

/** A short race leaves one kernel for each format. */
async function bestOfFormats<E extends Entrant>(device: BenchDevice<E>, able: readonly Checked<E>[]): Promise<Checked<E>[]> {
  const groups = new Map<string, Checked<E>[]>();
  for (const one of able) groups.set(one.entrant.format, [...(groups.get(one.entrant.format) ?? []), one]);
  const racing = [...groups.values()].filter((group) => group.length > 1).flat();
  const times = racing.length ? await device.time(byKey(racing), 'short') : { of: {} };
  return [...groups.values()].map((group) => (group.length > 1 ? fastestOf(group, times) : group[0]));
}

interface Measured {
  readonly name: string;
  readonly mask: string;
  readonly layer: BenchLayer;
  readonly matrix: Matrix;
  readonly times: Times;
  readonly one: Checked<Entrant>;
  readonly dense: Checked<Entrant>;
  readonly best: Checked<Entrant>;
  readonly peak?: number;
}

function rowOf({ name, mask, layer, matrix, times: { of }, one, dense, best, peak }: Measured): KernelTiming {
  const { entrant, maxError } = one, { medianMs, spreadMs } = of[keyOf(entrant)], same = of[identityKey(entrant)];
  const nnz = countNonzero(matrix.values), size = matrix.values.length;
  const { m, n, k }: Product = productOf(layer), rate = (weights: number, ms: number): number => (2 * weights * n) / ms / 1e6;
  const gflops = rate(nnz, medianMs);
  return {
    case: name, kernel: entrant.kernel, format: entrant.format, mask, m, n, k, sparsity: 1 - nnz / size,
    medianMs, spread: spreadMs / medianMs, gflops,
    effectiveGflops: rate(size, medianMs),
    efficiency: gflops / rate(size, of[keyOf(dense.entrant)].medianMs),
    ...(peak && { peakFraction: gflops / peak }), ...(same && { ofIdentity: gflops / rate(size, same.medianMs) }),
    maxError, best: one === best,
  };
}
