import { kernelRows, type Matrix } from '../formats/index.ts';
import { fillOf } from '../formats/occupancy.ts';
import type { Kernel } from '../kernels.ts';
import type { Choice } from './lower/weight.ts';

/** What a kernel does in one product: the counts that its time is made of. */
export interface Effort {
  /** Stored positions (of all rows a kernel takes at once) × vectors of columns they meet. */
  readonly positions: number;
  /** Blocks of rows × panels × parts of K: how often sums are begun and stored. */
  readonly rows: number;
  /** Bytes written into panels. */
  readonly packed: number;
}

/** ns of one of each; the time of a kernel is their product with its work. */
export type Rates = readonly [position: number, row: number, packedByte: number];

/** Bytes of a panel that stay in the first cache: what cuts K into parts. */
const PANEL_BYTES = 24 * 1024;

/** Rows of a weight that a kernel takes at once, and rows that a stored position is of: of a pair only nonzeros are stored. */
function rowsTogether({ format, block, kernel }: Choice): { begun: number; stored: number } {
  if (kernel.pattern === 'pair') return { begun: 2, stored: 1 };
  const rows = format === 'dense' ? kernel.rows : kernelRows(block.rows);
  return { begun: rows, stored: rows };
}

/** Weights a format stores, zeros inside its blocks included. */
function storedBy({ format, block, kernel }: Choice, matrix: Matrix, nonzero: number): number {
  if (format === 'dense') return matrix.values.length;
  if (kernel.pattern === 'pair') return nonzero;
  if (block.of) return (matrix.values.length * block.keep!) / block.of;
  const fill = fillOf(matrix, block);
  return fill ? nonzero / fill : 0;
}

/** The product that is to be done: a weight, its nonzeros, and the columns of the other operand. */
export interface Product { readonly matrix: Matrix; readonly nonzero: number; readonly cols: number }

/** Counts what `choice` does for C[rows×cols] = A·B. */
export function workOf(choice: Choice, { matrix, nonzero, cols }: Product): Effort {
  const { kernel } = choice, together = rowsTogether(choice), stored = storedBy(choice, matrix, nonzero) / together.stored;
  const blocks = Math.ceil(matrix.rows / together.begun);
  if (kernel.op === 'spmv') return { positions: stored * cols, rows: blocks * cols, packed: 0 };
  const panels = Math.ceil(cols / kernel.width), bytes = matrix.cols * kernel.width * 4;
  return {
    positions: stored * (kernel.width / 4) * panels, rows: blocks * panels * Math.ceil(bytes / PANEL_BYTES),
    // A kernel that reads the other operand where it lies packs nothing.
    packed: kernel.op === 'direct' ? 0 : bytes * panels,
  };
}

/** Multiply-adds a nanosecond of the best dense kernel on a device nobody measured yet, and the share of it other patterns reach. */
const MACS_PER_NS = 25;
const SHARE: Readonly<Record<string, number>> = { dense: 1, csr: 0.7, bsr: 0.9, nm: 0.7, pair: 0.75 };

/** Rates to begin with: multiply-adds at the usual speed of the pattern, a few ns to begin and store a block of rows, memory copied. */
export function usualRates({ rows, width, pattern = 'dense', op }: Kernel): Rates {
  const vectors = Math.max(1, width / 4);
  if (op === 'spmv') return [rows * (pattern === 'dense' ? 0.15 : 0.5), 5, 0.1];
  // Fewer than eight sums in the making leave each addition waiting for the one before.
  const waiting = Math.max(1, 8 / (rows * vectors));
  const weights = pattern === 'pair' ? 1 : rows;
  return [(weights * 4 * waiting) / (MACS_PER_NS * (SHARE[pattern] ?? 0.7)), 2 + 0.4 * rows * vectors, 0.045];
}

/** Predicted milliseconds. */
export function msOf(rates: Rates, { positions, rows, packed }: Effort): number {
  return (rates[0] * positions + rates[1] * rows + rates[2] * packed) / 1e6;
}

/** Weight of the rates a fit begins with against one measurement. */
const STIFFNESS = 0.1;
/** No fitted rate is further from where it began, up or down: few measurements cannot tell the three apart. */
const MOST_CHANGE = 8;
/** Scatter (deviation of the logarithm) of predictions that no measurement supports, and the least that any is believed to have. */
const USUAL_SCATTER = 0.3;
const LEAST_SCATTER = 0.04;
/** Share of the latest error in the scatter: a kernel that was learnt is not held to account for its first guesses. */
const LATEST = 0.15;

/**
 * The rates of one kernel on one device, fitted to what was measured: the least squares of relative errors, held near the rates it
 * began with. Sums are kept, not measurements.
 */
export class Fit {
  readonly #first: Rates;
  /** Upper triangle of Σ z·zᵀ and Σ z, where z is the share of a measured time that each first rate explains. */
  readonly #squares = [0, 0, 0, 0, 0, 0];
  readonly #sums = [0, 0, 0];
  #count: number;
  #square: number;
  #rates: Rates;

  /** @param count how many measurements stand behind the first rates */
  constructor(first: Rates, count = 0) {
    this.#first = first;
    this.#rates = first;
    this.#count = count;
    this.#square = USUAL_SCATTER ** 2 / (count + 1);
  }

  get rates(): Rates { return this.#rates; }
  get count(): number { return this.#count; }

  /** How far predictions were off lately, as the deviation of their logarithm. */
  get scatter(): number { return Math.max(LEAST_SCATTER, Math.sqrt(this.#square)); }

  learn(work: Effort, ms: number): void {
    if (!(ms > 0)) return;
    const error = Math.log(msOf(this.#rates, work) / ms);
    this.#count++;
    if (Number.isFinite(error)) this.#square += (Math.min(1, error ** 2) - this.#square) * Math.max(LATEST, 1 / (this.#count + 1));
    const z = [work.positions, work.rows, work.packed].map((n, i) => (n * this.#first[i]) / 1e6 / ms);
    for (let i = 0, at = 0; i < 3; i++) {
      this.#sums[i] += z[i];
      for (let j = i; j < 3; j++) this.#squares[at++] += z[i] * z[j];
    }
    const [a, b, c, d, e, f] = this.#squares, s = STIFFNESS, sums = this.#sums.map((sum) => sum + s);
    const change = solve([[a + s, b, c], [b, d + s, e], [c, e, f + s]], sums);
    const bounded = change.map((factor) => Math.min(MOST_CHANGE, Math.max(1 / MOST_CHANGE, factor)));
    this.#rates = [0, 1, 2].map((i) => this.#first[i] * bounded[i]) as unknown as Rates;
  }
}

/** x with m·x = y, for a symmetric positive definite m: Gauss without pivots. */
function solve(m: number[][], y: number[]): number[] {
  const n = y.length, x = [...y];
  for (let p = 0; p < n; p++) {
    for (let r = p + 1; r < n; r++) {
      const factor = m[r][p] / m[p][p];
      for (let c = p; c < n; c++) m[r][c] -= factor * m[p][c];
      x[r] -= factor * x[p];
    }
  }
  for (let p = n - 1; p >= 0; p--) {
    for (let c = p + 1; c < n; c++) x[p] -= m[p][c] * x[c];
    x[p] /= m[p][p];
  }
  return x;
}
