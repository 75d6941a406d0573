import type { Backend, Program } from '../backends/index.ts';
import { countNonzero, type Matrix } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import { choicesFor } from '../runtime/choices.ts';
import { environment } from '../runtime/environment.ts';
import { formatName, type Choice } from '../runtime/lower/weight.ts';
import type { Tensor } from '../tensor.ts';
import { calibrate, ceilingOf } from './calibrate.ts';
import { layerGraph, maskedGraph, productOf, type BenchCase, type BenchLayer, type Product } from './cases.ts';
import { fill } from './feeds.ts';
import type { Environment } from './record.ts';
import { errorAgainst, referenceOf, type Reference } from './reference.ts';
import type { Machine } from './roofline.ts';
import { Site } from './site.ts';
import { timeTogether, type Task } from './time.ts';

/** One kernel on one case. */
export interface KernelRow {
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
  /** gflops over the ceiling of the device, which is timed in turns with the dense kernels of each layer. */
  readonly peakFraction: number;
  /** Largest difference of an output from f64 sums. */
  readonly maxError: number;
  /** Whether it is the fastest of its case: among dense kernels, or among sparse ones. */
  readonly best: boolean;
}

export interface KernelBench {
  readonly environment: Environment;
  readonly ceiling: Machine;
  readonly rows: readonly KernelRow[];
}

interface Timing {
  readonly medianMs: number;
  readonly spreadMs: number;
}

/** Times tasks against each other. */
export type Timer = (tasks: Readonly<Record<string, Task>>) => Promise<Readonly<Record<string, Timing>>>;

export interface KernelBenchOptions {
  /** Must have kernels; the caller keeps and disposes it. */
  readonly backend: Backend;
  /** Turns of each task for the default timer; 30 when absent. */
  readonly samples?: number;
  /** In place of `timeTogether`. */
  readonly timer?: Timer;
  /** Every sparse kernel that can run a case, not only the fastest of each format. */
  readonly all?: boolean;
  /** Multiply-adds of the rows of an output that are compared with f64 sums; 10^8 when absent. */
  readonly checkedMacs?: number;
  /** Rows as soon as they are measured. */
  readonly onRows?: (rows: readonly KernelRow[], bench: Omit<KernelBench, 'rows'>) => void;
}

interface Setting {
  readonly options: KernelBenchOptions;
  readonly timer: Timer;
}

/** One choice, made and checked. */
interface Entrant {
  readonly choice: Choice;
  readonly program: Program;
  readonly maxError: number;
}

/**
 * Times dense and sparse kernels on cases. For each layer all dense kernels; for each case its sparse candidates, in turns with the
 * fastest dense kernel. Results are compared with the reference before anything is timed.
 * @throws BurinError `device` for a kernel that is wrong (then nothing is timed) or a backend without kernels
 */
export async function benchKernels(cases: readonly BenchCase[], options: KernelBenchOptions): Promise<KernelBench> {
  const { backend, samples, onRows } = options;
  const bench = { environment: environment(backend), ceiling: await calibrate(backend) };
  const timer = options.timer ?? ((tasks) => timeTogether(tasks, { samples }));
  const setting = { options, timer }, rows: KernelRow[] = [];
  const add = (found: readonly KernelRow[]): void => {
    rows.push(...found);
    onRows?.(found, bench);
  };
  for (const layer of new Set(cases.map((one) => one.layer))) {
    const graph = layerGraph(layer), x = fill(graph.inputs[0], graph.inputs[0].dims as number[], 'random', 1);
    const input = { layer, graph, x, reference: referenceOf(graph, x, options.checkedMacs) }, dense = await denseRows(setting, input);
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
  readonly dense: Choice;
  readonly peak: number;
}

const CEILING = 'ceiling';

async function denseRows({ options: { backend }, timer }: Setting, input: LayerInput): Promise<{ rows: KernelRow[] } & DenseSide> {
  const site = new Site(backend, input.graph), ceiling = ceilingOf(backend);
  try {
    const matrix = site.weight.matrix();
    const entrants = enter(site, input, choicesFor(site.backend.kernels, matrix, site.columns, { formats: ['dense'] }));
    const times = await timer({ ...tasksOf(entrants), [CEILING]: ceiling.run }), peak = ceiling.gflops(times[CEILING].medianMs);
    const best = fastestOf(entrants, times);
    const common = { ...input, matrix, times, dense: best, best, peak, mask: 'none', name: `${input.graph.name} dense` };
    return { rows: entrants.map((entrant) => rowOf({ ...common, entrant })), dense: best.choice, peak };
  } finally {
    ceiling.dispose();
    site.dispose();
  }
}

async function sparseRows(setting: Setting, input: LayerInput & DenseSide & { one: BenchCase }): Promise<KernelRow[]> {
  const { one, graph, x } = input, { backend, all, checkedMacs } = setting.options, masked = maskedGraph(graph, one);
  const sites = [new Site(backend, graph), new Site(backend, masked)] as const;
  try {
    const [whole, site] = sites, matrix = site.weight.matrix();
    const choices = choicesFor(backend.kernels, matrix, site.columns).filter(({ format }) => format !== 'dense');
    if (choices.length === 0) return [];
    const able = enter(site, { ...input, graph: masked, reference: referenceOf(masked, x, checkedMacs) }, choices);
    const entrants = all ? able : await bestOfFormats(able);
    const [dense] = enter(whole, input, [input.dense]);
    const times = await setting.timer(tasksOf([dense, ...entrants])), best = fastestOf(entrants, times);
    return entrants.map((entrant) => rowOf({ ...input, entrant, matrix, times, dense, best, mask: one.mask, name: one.name }));
  } finally {
    for (const site of sites) site.dispose();
  }
}

/** Makes every choice runnable, runs it once and compares the result. */
function enter(site: Site, { graph, x, reference }: LayerInput, choices: readonly Choice[]): Entrant[] {
  return choices.map((choice) => {
    const program = site.program(choice);
    site.values('x').set(x.data as Float32Array);
    site.values('y').fill(NaN);
    program.run();
    const where = `${graph.name}, ${formatName(choice)}, ${choice.kernel.name}`;
    return { choice, program, maxError: errorAgainst(reference, site.values('y'), where) };
  });
}

const keyOf = ({ choice }: Entrant): string => `${formatName(choice)} ${choice.kernel.name}`;
const tasksOf = (entrants: readonly Entrant[]): Record<string, Task> =>
  Object.fromEntries(entrants.map((entrant) => [keyOf(entrant), () => entrant.program.run()]));

function fastestOf(entrants: readonly Entrant[], times: Readonly<Record<string, Timing>>): Entrant {
  return entrants.reduce((best, entrant) => (times[keyOf(entrant)].medianMs < times[keyOf(best)].medianMs ? entrant : best));
}

/** A short race leaves one kernel for each format. */
async function bestOfFormats(entrants: readonly Entrant[]): Promise<Entrant[]> {
  const groups = new Map<string, Entrant[]>();
  for (const entrant of entrants) groups.set(formatName(entrant.choice), [...(groups.get(formatName(entrant.choice)) ?? []), entrant]);
  const racing = [...groups.values()].filter((group) => group.length > 1).flat();
  const times = racing.length ? await timeTogether(tasksOf(racing), { samples: 5, minMs: 1, warmUpMs: 300 }) : {};
  return [...groups.values()].map((group) => (group.length > 1 ? fastestOf(group, times) : group[0]));
}

interface Measured {
  readonly name: string;
  readonly mask: string;
  readonly layer: BenchLayer;
  readonly matrix: Matrix;
  readonly times: Readonly<Record<string, Timing>>;
  readonly entrant: Entrant;
  readonly dense: Entrant;
  readonly best: Entrant;
  readonly peak: number;
}

function rowOf({ name, mask, layer, matrix, times, entrant, dense, best, peak }: Measured): KernelRow {
  const { medianMs, spreadMs } = times[keyOf(entrant)], nnz = countNonzero(matrix.values), size = matrix.values.length;
  const { m, n, k }: Product = productOf(layer), rate = (weights: number, ms: number): number => (2 * weights * n) / ms / 1e6;
  const gflops = rate(nnz, medianMs);
  return {
    case: name, kernel: entrant.choice.kernel.name, format: formatName(entrant.choice), mask, m, n, k, sparsity: 1 - nnz / size,
    medianMs, spread: spreadMs / medianMs, gflops,
    effectiveGflops: rate(size, medianMs),
    efficiency: gflops / rate(size, times[keyOf(dense)].medianMs),
    peakFraction: gflops / peak,
    maxError: entrant.maxError,
    best: entrant === best,
  };
}
