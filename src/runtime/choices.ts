import { isHalf } from '../formats/half.ts';
import { countNonzero, flush, kernelRows, type Block, type Matrix } from '../formats/index.ts';
import { canRun, type Kernel } from '../kernels.ts';
import type { Choice } from './lower/weight.ts';

/** What the chooser may use. */
export interface ChoiceLimits {
  /** Names of formats that may be chosen; all where absent. */
  readonly formats?: readonly string[];
}

/** A sparse format is only tried where at least this share of what it stores is nonzero: below it cannot win. */
const LEAST_FILL = 0.65;
/** Above this density a sparse kernel cannot make up for its index (the best reached 0.97 of dense speed). */
const MOST_DENSITY = 0.97;
/** Larger blocks may hold this much more zeros than 4x4. */
const SAME_FILL = 0.99;
const ROW_BLOCKS = [2, 4, 6, 8];
/** Of square blocks that are filled alike the largest is fastest: fewer indices. 16x16, 50 %: 47.7 GFLOP/s, as 4x4 47.1. */
const SQUARE_BLOCKS: readonly Block[] = [32, 16, 8, 4].map((n) => ({ rows: n, cols: n }));
const WINDOWS: readonly Block[] = [[1, 2], [1, 4], [2, 4], [1, 8], [2, 8], [4, 8]].map(([keep, of]) => ({ rows: 1, cols: 1, keep, of }));
const SINGLE: Block = { rows: 1, cols: 1 };

/** Fills that were counted: they are asked for again and again, and every count walks the matrix. */
const counted = new WeakMap<Matrix, Map<string, number>>();

/** Share of the weights stored in rows × cols blocks that are nonzero. The matrix must not change afterwards. */
export function fillOf(matrix: Matrix, block: Block): number {
  const own = counted.get(matrix) ?? new Map<string, number>(), key = `${block.rows}x${block.cols}`, known = own.get(key);
  if (known !== undefined) return known;
  const fill = countFill(matrix, block);
  counted.set(matrix, own.set(key, fill));
  return fill;
}

function countFill({ values, rows, cols }: Matrix, block: Block): number {
  const across = Math.ceil(cols / block.cols), seen = new Uint8Array(across);
  let blocks = 0, nonzero = 0;
  for (let row = 0; row < rows; row += block.rows) {
    seen.fill(0);
    for (let r = row, end = Math.min(row + block.rows, rows); r < end; r++) {
      for (let k = 0, at = r * cols; k < cols; k++, at++) {
        if (flush(values[at]) === 0) continue;
        nonzero++;
        seen[block.cols === 1 ? k : Math.floor(k / block.cols)] = 1;
      }
    }
    for (let k = 0; k < across; k++) blocks += seen[k];
  }
  return blocks ? nonzero / (blocks * block.rows * block.cols) : 0;
}

/** Whether no window holds more than `keep` nonzeros and they are filled well enough. */
function fitsWindow(matrix: Matrix, { keep = 1, of = 1 }: Block, nonzero: number): boolean {
  const { values, rows, cols } = matrix;
  if (cols % of !== 0 || nonzero < LEAST_FILL * ((rows * cols) / of) * keep) return false;
  for (let at = 0; at < values.length; at += of) {
    let n = 0;
    for (let i = 0; i < of; i++) if (flush(values[at + i]) !== 0) n++;
    if (n > keep) return false;
  }
  return true;
}

/** Formats worth trying on a matrix with these weights, dense first. */
export function storagesFor(matrix: Matrix): [format: string, block: Block][] {
  const nonzero = countNonzero(matrix.values), found: [string, Block][] = [['dense', SINGLE]];
  if (nonzero > MOST_DENSITY * matrix.values.length) return found;
  found.push(['csr', SINGLE]);
  for (const rows of ROW_BLOCKS) {
    if (matrix.rows >= rows && fillOf(matrix, { rows, cols: 1 }) >= LEAST_FILL) found.push(['bsr', { rows, cols: 1 }]);
  }
  // A block that reaches beyond the last column would read rows of the panel that nobody packed.
  const whole = SQUARE_BLOCKS.filter(({ cols }) => matrix.cols % cols === 0), fill = whole.length ? fillOf(matrix, whole.at(-1)!) : 0;
  const square = fill >= LEAST_FILL ? whole.find((block) => fillOf(matrix, block) >= fill * SAME_FILL) : undefined;
  if (square) found.push(['bsr', square]);
  const window = WINDOWS.find((block) => fitsWindow(matrix, block, nonzero));
  if (window) found.push(['nm', window]);
  return found;
}

/** Kernels whose tile suits the product: not much wider than its columns, not taller than its rows. */
function suits(kernel: Kernel, rows: number, { cols, vector, inPlace, linear = 0 }: Columns): boolean {
  if (kernel.op === 'conv') return kernel.width <= linear;
  if (kernel.op === 'direct') return inPlace === true && kernel.width <= cols;
  if (kernel.op === 'spmv') return vector;
  if (kernel.op !== 'spmm') return false;
  if (vector && cols === 1) return false;
  const tooWide = kernel.width > 16 && kernel.width >= 2 * cols;
  const tooNarrow = kernel.width === 16 && kernel.rows === 1 && cols > 64;
  return !tooWide && !tooNarrow && (kernel.pattern !== 'dense' || kernel.rows <= Math.max(rows, 2) || kernel.width === 8);
}

/** The other operand: how many columns it has, and whether each of them is a vector that lies contiguous in memory. */
export interface Columns {
  readonly cols: number;
  readonly vector: boolean;
  /** Whether its rows are contiguous, so that a kernel can read them where they lie. */
  readonly inPlace?: boolean;
  /** Pixels from the first to the last output in padded planes, where a window of stride 1 can be slid over whole planes. */
  readonly linear?: number;
}

/**
 * Every way worth timing to store and run a weight. Dense is always among them unless `limits.formats` says otherwise;
 * where nothing allowed fits the weight, dense is what is left.
 */
export function choicesFor(kernels: ReadonlyMap<string, Kernel>, matrix: Matrix, columns: Columns, limits: ChoiceLimits = {}): Choice[] {
  const allowed = (format: string): boolean => !limits.formats || limits.formats.includes(format);
  const products = [...kernels.values()].filter((kernel) => kernel.pattern && suits(kernel, matrix.rows, columns))
    .filter(({ dtype }) => dtype !== 'f16' || isHalf(matrix.values));
  const pick = (list: [string, Block][]): Choice[] => list.flatMap(([format, block]) =>
    products
      .filter((kernel) => canRun(kernel, format, block) && fitsRows(kernel, format, block))
      .map((kernel) => ({ format, block, kernel })));
  const fitting = pick(storagesFor(matrix).filter(([format]) => allowed(format)));
  // Rows in pairs are stored alike in both formats: nm says more about the weight.
  const hasWindows = fitting.some(({ format }) => format === 'nm');
  const chosen = fitting.filter(({ format, kernel }) => !(hasWindows && format === 'csr' && kernel.pattern === 'pair'));
  return chosen.length ? chosen : pick([['dense', SINGLE]]);
}

/** A matrix × vector kernel of four rows wants blocks of four, the others single rows. */
function fitsRows(kernel: Kernel, format: string, block: Block): boolean {
  if (kernel.op !== 'spmv' || format === 'dense') return true;
  return kernelRows(block.rows) <= kernel.rows && (kernel.rows === 1) === (block.rows === 1);
}
