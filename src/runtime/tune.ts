import type { Backend } from '../backends/index.ts';
import type { Matrix } from '../formats/index.ts';
import { fillOf } from '../formats/occupancy.ts';
import type { Kernel } from '../kernels.ts';
import { Fit, msOf, usualRates, type Rates, type Effort } from './cost.ts';
import { environment } from './environment.ts';
import { blockName, type Choice } from './lower/weight.ts';

/** Ways to decide: time the promising candidates on this device, or trust the cost model. */
export const tuneModes = ['measure', 'predict'] as const;
export type TuneMode = (typeof tuneModes)[number];

export interface Candidate {
  readonly format: string;
  readonly kernel: string;
  /** Milliseconds of one run. */
  readonly ms: number;
  /** There where `ms` comes from the cost model: the candidate did not promise enough to be timed, or there was no time for it. */
  readonly predicted?: true;
}

/**
 * What was measured on which device, plain data to be kept and shipped with an app: milliseconds by case, and for each kernel the rates
 * (ns) of the cost model with the number of measurements behind them; on a GPU what a stored position costs beside a dense one, by format.
 */
export type TuneTable = Record<string, number>;

const RATES = ['ns a position', 'ns a row', 'ns a packed byte'] as const;
const COUNT = 'measurements';

/** Remembers times and what follows from them. One serves every session of a process unless a table is given. */
export class TuneMemory {
  readonly #table = new Map<string, number>();
  readonly #fits = new Map<string, Fit>();
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

  /** Predicted milliseconds, and how far such predictions are off (deviation of the logarithm). */
  predict(device: string, kernel: Kernel, work: Effort): { ms: number; scatter: number } {
    const fit = this.#fit(device, kernel);
    return { ms: msOf(fit.rates, work), scatter: fit.scatter };
  }

  /** Improves the cost model by one measurement. */
  learn(device: string, kernel: Kernel, work: Effort, ms: number): void {
    this.#fit(device, kernel).learn(work, ms);
  }

  #fit(device: string, kernel: Kernel): Fit {
    const key = `${device}|${kernel.name}`, known = this.#fits.get(key);
    if (known) return known;
    const usual = usualRates(kernel), rates = RATES.map((name, i) => this.get(`${key}|${name}`) ?? usual[i]) as unknown as Rates;
    const fit = new Fit(rates, this.get(`${key}|${COUNT}`));
    this.#fits.set(key, fit);
    return fit;
  }

  toJSON(): TuneTable {
    const table = Object.fromEntries(this.#table);
    for (const [key, { rates, count }] of this.#fits) {
      if (count === 0) continue;
      RATES.forEach((name, i) => { table[`${key}|${name}`] = rates[i]; });
      table[`${key}|${COUNT}`] = count;
    }
    return table;
  }
}

export const sharedMemory = new TuneMemory();

/** What times depend on beside the case: processor, engine, instructions and threads. */
export function deviceOf(backend: Backend): string {
  const { engine, cpu, threads, simd } = environment(backend);
  return `${backend.name} ${simd}, ${threads} thread${threads === 1 ? '' : 's'}, ${engine}, ${cpu}`;
}

/** A product as the chooser sees it: what the work is, not where in the network it happens. */
export interface Case {
  readonly device: string;
  /** What makes two layers cost the same, their weights apart. */
  readonly signature: string;
  readonly matrix: Matrix;
  /** Nonzero weights. */
  readonly nonzero: number;
}

const caseKey = ({ device, signature, matrix, nonzero }: Case): string =>
  `${device}|${signature}|${matrix.rows}x${matrix.cols}|nnz ${nonzero}`;

/** The key of one candidate's time. */
export function tuneKey(of: Case, { format, block, kernel }: Choice): string {
  // Blocks store zeros too: masks of equal count may differ in how many blocks they touch.
  const fill = block.rows * block.cols > 1 ? ` fill ${fillOf(of.matrix, block).toFixed(2)}` : '';
  return `${caseKey(of)}${fill}|${format} ${blockName(block)}|${kernel.name}`;
}

/** The key that tells that a choice among these candidates was made by timing; its value is the time of the winner. */
export function choiceKey(of: Case, choices: readonly Choice[]): string {
  return `${caseKey(of)}|best of ${choices.length} in ${[...new Set(choices.map(({ format }) => format))].join(' ')}`;
}
