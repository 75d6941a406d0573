import type { Call } from '../../backends/index.ts';
import type { Kernel } from '../../kernels.ts';
import type { Context } from './context.ts';
import { PART, productLayout, upload, type Choice, type Uploaded, type Weight } from './weight.ts';

/** What happens to a sum on its way to memory. `residual` is an address. */
export interface Epilogue {
  readonly bias?: number;
  readonly residual?: number;
  readonly min: number;
  readonly max: number;
}

/** The other operand of a product: which packing kernel makes panels of it and what it must know. */
export interface Operand {
  readonly pack: 'pack_rows' | 'pack_columns' | 'pack_taps';
  readonly job: Readonly<Record<string, number>>;
}

/** Where a product goes: rows `rowStride` bytes apart and columns `colStride` (4: contiguous). */
export interface Place {
  readonly address: number;
  readonly rowStride: number;
  readonly colStride: number;
}

export interface Product {
  readonly weight: Weight;
  readonly choice: Choice;
  readonly cols: number;
  readonly operand: Operand;
  readonly place: Place;
  readonly epilogue: Epilogue;
}

/** The calls of C[rows×cols] = clamp(A·B + bias + residual). */
export function lowerProduct(ctx: Context, { weight, choice, cols, operand, place, epilogue }: Product): Call[] {
  const stride = operand.job.stride, size = { rows: weight.rows, depth: weight.cols, cols }, rest = restOf(ctx, weight, choice);
  const most = rest ? rowsOf(weight, 0, rest.first) : weight;
  const launch = launchOf(ctx, upload(ctx, most, choice, productLayout(ctx, most, choice, stride)));
  return [productCall(ctx, { ...launch, ...size, kernel: choice.kernel, operand, place, epilogue, ...(rest && { rest }) })];
}

/** The dense kernel for rows that are left over, and what six rows cost there by what four cost here. */
const REST = 'f32_dense_spmm_4x8';
const FOUR_ROWS = 4.2;

/** Rows from which blocks of four are cheaper than blocks of six, of which the last is not full: 64 rows are 60 + 4, not 66. */
function firstOfRest(rows: number): number {
  const ways = [0, 1, 2].map((fours) => ({ fours, sixes: Math.max(0, Math.ceil((rows - 4 * fours) / 6)) }));
  const cost = ({ fours, sixes }: typeof ways[number]): number => FOUR_ROWS * fours + 6 * sixes;
  return ways.reduce((best, way) => (cost(way) < cost(best) ? way : best)).sixes * 6;
}

/** The rows that a second kernel does, or undefined where one does all. */
function restOf(ctx: Context, weight: Weight, choice: Choice): Rest | undefined {
  const first = firstOfRest(weight.rows), kernel = ctx.backend.kernels.get(REST);
  if (choice.format !== 'dense' || choice.kernel.rows !== 6 || !kernel || first === 0 || first >= weight.rows) return undefined;
  const last = rowsOf(weight, first, weight.rows), own = { ...choice, kernel };
  return { ...launchOf(ctx, upload(ctx, last, own, productLayout(ctx, last, own))), first, kernel };
}

/** Rows [from, to) of a weight. */
function rowsOf(weight: Weight, from: number, to: number): Weight {
  const { key, cols, matrix } = weight;
  return {
    key: `${key} rows ${from} to ${to}`, rows: to - from, cols,
    matrix: () => ({ rows: to - from, cols, values: matrix().values.subarray(from * cols, to * cols) }),
  };
}

/** What a launch takes from a packed weight. */
export function launchOf(ctx: Context, { packed, kBlock, parts }: Uploaded): Packed {
  return { ...packed, kBlock, parts: ctx.upload(`${parts.join()}|parts`, () => parts) };
}

/** A packed weight on the device. */
interface Packed { blockRows: number; blocks: number; blockCols: number; kBlock: number; parts: number }

/** The last rows of a product, from row `first` on, with a kernel as wide as that of the others. */
interface Rest extends Packed { first: number; kernel: Kernel }

export interface Launch extends Packed {
  rows: number; depth: number; cols: number; kernel: Kernel; operand: Operand; place: Place; epilogue: Epilogue; rest?: Rest;
  /** Columns that a packed panel has beyond its width. */
  halo?: number;
}

/** One product whose left side lies ready on the device. */
export function productCall(ctx: Context, launch: Launch): Call {
  const { rows, depth, cols, kernel, kBlock, operand, place, epilogue, parts, rest, halo = 0 } = launch;
  const width = kernel.width, unit = width * 4, rowBytes = unit + halo * 4;
  const { bias = 0, residual = 0, min, max } = epilogue;
  const direct = kernel.op === 'direct', panel = direct ? operand.job.src : ctx.scratch(Math.min(kBlock, depth) * rowBytes);
  // A tile wider than C, or one whose columns are not contiguous in memory, is finished in scratch memory.
  const aside = cols < width || place.colStride !== 4;
  const tile = aside ? ctx.scratch(rows * unit) : place.address;
  const cStride = aside ? unit : place.rowStride;
  const packJob: Call = { kernel: operand.pack, job: { ...operand.job, panel, width: width + halo } };
  const tileJob = ({ blockCols, blocks, blockRows }: Packed, by: Kernel, first: number, end: number): Call => ({
    kernel: by.name,
    job: {
      run: blockCols, blocks, blockRows, rows: end - first, panel, unit, c: tile + first * cStride, cStride,
      bias: bias && bias + first * 4,
    },
  });
  const restFields = rest && {
    rest: { kernel: rest.kernel.name }, restJob: tileJob(rest, rest.kernel, rest.first, rows),
    restParts: rest.parts, restC: rest.first * cStride,
  };
  const delta = residual ? (residual - place.address) >>> 0 : 0;
  const common = {
    spmm: { kernel: kernel.name }, spmmJob: tileJob(launch, kernel, 0, rest?.first ?? rows), ...restFields,
    ...(!direct && { pack: { kernel: operand.pack }, packJob }),
    cols, width, halo, depth, kBlock, parts, c: tile,
  };
  if (!aside) return { kernel: 'matmul', job: { ...common, min, max, residual: delta } };
  const unpackJob: Call = {
    kernel: 'unpack',
    job: {
      src: tile, srcStride: unit, dst: place.address, rowStride: place.rowStride,
      colStride: place.colStride, rows, residual: delta, min, max,
    },
  };
  return { kernel: 'matmul', job: { ...common, min: -Infinity, max: Infinity, unpack: { kernel: 'unpack' }, unpackJob } };
}

export interface VectorProduct {
  readonly weight: Weight;
  readonly choice: Choice;
  /** Addresses. */
  readonly x: number;
  readonly y: number;
  readonly epilogue: Epilogue;
}

/** The calls of y[count][rows] = clamp(A·x + bias + residual), vector after vector of x[count][cols]. */
export function lowerVectors(ctx: Context, { x, y, epilogue, ...rest }: VectorProduct, count: number): Call[] {
  const { residual } = epilogue, { rows, cols } = rest.weight;
  return Array.from({ length: count }).flatMap((_, i) => lowerVector(ctx, {
    ...rest, x: x + i * cols * 4, y: y + i * rows * 4, epilogue: { ...epilogue, residual: residual && residual + i * rows * 4 },
  }));
}

/** The calls of y[rows] = clamp(A·x + bias + residual): one call for each part of K. */
export function lowerVector(ctx: Context, { weight, choice, x, y, epilogue }: VectorProduct): Call[] {
  const { kernel } = choice;
  const { packed, kBlock, parts } = upload(ctx, weight, choice, productLayout(ctx, weight, choice));
  const { bias = 0, residual = 0, min, max } = epilogue, count = parts.length / PART;
  return Array.from({ length: count }, (_, p): Call => {
    const last = p === count - 1;
    return {
      kernel: kernel.name,
      job: {
        values: parts[p * PART], idx: parts[p * PART + 1], ptr: parts[p * PART + 2],
        run: packed.blockCols, blocks: packed.blocks, blockRows: packed.blockRows,
        rows: weight.rows, cols: weight.cols, x: x + p * kBlock * 4, y, bias: p > 0 ? y : bias,
        residual: last && residual ? (residual - y) >>> 0 : 0, min: last ? min : -Infinity, max: last ? max : Infinity,
      },
    };
  });
}
