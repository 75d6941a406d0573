import type { Backend, Call, Work } from '../backends/index.ts';
import { fillOf } from './choices.ts';
import { countNonzero, type Matrix } from '../formats/index.ts';
import { blockName, type Choice } from './lower/product.ts';

/** Ways to decide: time every candidate on this device, or predict from rules of thumb. */
export const tuneModes = ['measure', 'predict'] as const;
export type TuneMode = (typeof tuneModes)[number];

export interface Candidate {
  readonly format: string;
  readonly kernel: string;
  /** Milliseconds of one run, measured or predicted. */
  readonly ms: number;
}

/** What was measured, by case; plain data, to be kept and shipped with an app. */
export type TuneTable = Record<string, number>;

/** Runs before a kernel's time counts: engines run new code in a slow tier for this long. */
const WARM_MS = 12;
/** Shortest time over which one candidate is measured, and most runs. */
const SAMPLE_MS = 1.2;
const MOST_RUNS = 25;
/** A candidate this much slower than the best at its first run is not measured further. */
const HOPELESS = 1.6;
/** A sparse candidate must beat dense by this much: timings of equals scatter. */
const MARGIN = 0.98;

/** Share of dense speed each pattern reaches, and weights a nanosecond of the dense kernel: for predictions only. */
const SPEED: Readonly<Record<string, number>> = { dense: 1, csr: 0.78, bsr: 0.92, nm: 0.78 };
const MACS_PER_MS = 25e6;

/** Remembers times. One table serves every session of a process unless another is given. */
export class TuneMemory {
  readonly #table = new Map<string, number>();
  readonly #warm = new Set<string>();

  constructor(table: TuneTable = {}) {
    for (const [key, ms] of Object.entries(table)) this.#table.set(key, ms);
  }

  get(key: string): number | undefined { return this.#table.get(key); }
  set(key: string, ms: number): void { this.#table.set(key, ms); }

  /** Whether a kernel ran long enough to be in its fast tier; says yes from then on. */
  warm(kernel: string): boolean {
    const known = this.#warm.has(kernel);
    this.#warm.add(kernel);
    return known;
  }

  toJSON(): TuneTable { return Object.fromEntries(this.#table); }
}

export const sharedMemory = new TuneMemory();

/** The case a time belongs to: what the work is, not where in the network it happens. */
export function tuneKey(choice: Choice, signature: string, matrix: Matrix, { simd, threads }: Pick<Backend, 'simd' | 'threads'>): string {
  // Blocks store zeros too: masks of equal count may differ in how many blocks they touch.
  const fill = choice.format === 'bsr' ? ` fill ${fillOf(matrix, choice.block).toFixed(2)}` : '';
  const work = `${matrix.rows}x${matrix.cols}|nnz ${countNonzero(matrix.values)}${fill}`;
  const device = threads > 1 ? `${simd} ${threads} threads` : simd;
  return `${device}|${signature}|${work}|${choice.format} ${blockName(choice.block)}|${choice.kernel.name}`;
}

/** Predicted ms of one choice: stored weights × padded columns, by the pattern's usual speed. */
export function predict(choice: Choice, matrix: Matrix, cols: number): number {
  const { kernel, format, block } = choice;
  const fill = format === 'dense' ? 1 : format === 'nm' ? 1 : fillOf(matrix, block);
  const stored = format === 'dense' ? matrix.values.length : fill ? countNonzero(matrix.values) / fill : 0;
  const columns = kernel.op === 'spmv' ? 1 : Math.max(cols, kernel.width);
  // Narrow single-row tiles leave the sums waiting for each other.
  const narrow = kernel.op === 'spmm' && kernel.rows * kernel.width < 32 ? 0.7 : 1;
  return ((stored + matrix.rows) * columns) / (MACS_PER_MS * (SPEED[format] ?? 0.8) * narrow);
}

/** Milliseconds of one run of `works`: the best of several, after the kernels are warm. */
export function time(backend: Backend, works: readonly Work[], memory: TuneMemory, best = Infinity): number {
  const program = backend.program(works), calls = works.flatMap((work): readonly Call[] => ('kernel' in work ? [work] : work[0]));
  const warm = calls.map(({ kernel, job }) => memory.warm(`${backend.simd}|${kernelName(kernel, job)}`)).every(Boolean);
  const once = (): number => {
    const start = performance.now();
    program.run();
    return performance.now() - start;
  };
  try {
    for (let spent = once(); !warm && spent < WARM_MS;) spent += once();
    let least = once();
    for (let runs = 1, spent = least; runs < 3 || (spent < SAMPLE_MS && runs < MOST_RUNS); runs++) {
      if (least > best * HOPELESS) break;
      const ms = once();
      least = Math.min(least, ms);
      spent += ms;
    }
    return least;
  } finally {
    program.dispose();
  }
}

/** The kernel that does the work inside a product. */
function kernelName(kernel: string, job: Call['job']): string {
  const inner = job.spmm;
  return typeof inner === 'object' && 'kernel' in inner ? inner.kernel : kernel;
}

/** Index of the fastest candidate; dense wins unless a sparse one is clearly faster. */
export function fastest(candidates: readonly Candidate[]): number {
  const index = (list: readonly Candidate[]): number => candidates.indexOf(list.reduce((a, b) => (b.ms < a.ms ? b : a)));
  const dense = candidates.filter(({ format }) => format === 'dense');
  const all = index(candidates);
  if (!dense.length || candidates[all].format === 'dense') return all;
  const baseline = index(dense);
  return candidates[all].ms < candidates[baseline].ms * MARGIN ? all : baseline;
}
