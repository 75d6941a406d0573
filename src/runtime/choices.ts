import { isHalf } from '../formats/half.ts';
import { kernelRows, type Block, type Matrix } from '../formats/index.ts';
import { fillOf, fitsWindows, nonzerosOf } from '../formats/occupancy.ts';
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

/** Whether no window holds more than `keep` nonzeros and they are filled well enough. */
function fitsWindow(matrix: Matrix, { keep = 1, of = 1 }: Block): boolean {
  const { rows, cols } = matrix, filled = nonzerosOf(matrix) >= LEAST_FILL * ((rows * cols) / of) * keep;
  return cols % of === 0 && filled && fitsWindows(matrix, keep, of);
}

/** Formats worth trying on a matrix with these weights, dense first. */
export function storagesFor(matrix: Matrix): [format: string, block: Block][] {
  const found: [string, Block][] = [['dense', SINGLE]];
  if (nonzerosOf(matrix) > MOST_DENSITY * matrix.values.length) return found;
  found.push(['csr', SINGLE]);
  for (const rows of ROW_BLOCKS) {
    if (matrix.rows >= rows && fillOf(matrix, { rows, cols: 1 }) >= LEAST_FILL) found.push(['bsr', { rows, cols: 1 }]);
  }
  // A block that reaches beyond the last column would read rows of the panel that nobody packed.
  const whole = SQUARE_BLOCKS.filter(({ cols }) => matrix.cols % cols === 0), fill = whole.length ? fillOf(matrix, whole.at(-1)!) : 0;
  const square = fill >= LEAST_FILL ? whole.find((block) => fillOf(matrix, block) >= fill * SAME_FILL) : undefined;
  if (square) found.push(['bsr', square]);
  const window = WINDOWS.find((block) => fitsWindow(matrix, block));
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
