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
  const packed = upload(ctx, weight, choice, productLayout(ctx, weight, choice, operand.job.stride));
  const size = { rows: weight.rows, depth: weight.cols, cols };
  return [productCall(ctx, { ...launchOf(ctx, packed), ...size, kernel: choice.kernel, operand, place, epilogue })];
}

/** What a launch takes from a packed weight. */
export function launchOf(
  ctx: Context, { packed, kBlock, parts }: Uploaded,
): Pick<Launch, 'blocks' | 'blockRows' | 'blockCols' | 'kBlock' | 'parts'> {
  return { ...packed, kBlock, parts: ctx.upload(`${parts.join()}|parts`, () => parts) };
}

export interface Launch {
  rows: number; depth: number; cols: number; kernel: Kernel; kBlock: number; operand: Operand; place: Place; epilogue: Epilogue;
  blockRows: number; blocks: number; blockCols: number; parts: number;
  /** Columns that a packed panel has beyond its width. */
  halo?: number;
}

/** One product whose left side lies ready on the device. */
export function productCall(ctx: Context, launch: Launch): Call {
  const { rows, depth, cols, kernel, kBlock, operand, place, epilogue, blockRows, blocks, blockCols, parts, halo = 0 } = launch;
  const width = kernel.width, unit = width * 4, rowBytes = unit + halo * 4;
  const { bias = 0, residual = 0, min, max } = epilogue;
  const direct = kernel.op === 'direct', panel = direct ? operand.job.src : ctx.scratch(Math.min(kBlock, depth) * rowBytes);
  // A tile wider than C, or one whose columns are not contiguous in memory, is finished in scratch memory.
  const aside = cols < width || place.colStride !== 4;
  const tile = aside ? ctx.scratch(rows * unit) : place.address;
  const packJob: Call = { kernel: operand.pack, job: { ...operand.job, panel, width: width + halo } };
  const spmmJob: Call = {
    kernel: kernel.name,
    job: { run: blockCols, blocks, blockRows, rows, panel, unit, c: tile, cStride: aside ? unit : place.rowStride, bias },
  };
  const delta = residual ? (residual - place.address) >>> 0 : 0;
  const common = {
    spmm: { kernel: kernel.name }, spmmJob, ...(!direct && { pack: { kernel: operand.pack }, packJob }),
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

/** The calls of y[rows] = clamp(A·x + bias + residual): one call for each part of K. */
export function lowerVector(
  ctx: Context, { weight, choice, x, y, epilogue }: { weight: Weight; choice: Choice; x: number; y: number; epilogue: Epilogue },
): Call[] {
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
        rows: weight.rows, cols: weight.cols, x: x + p * kBlock * 4, y, bias, partial: p > 0 ? 1 : 0,
        residual: last && residual ? (residual - y) >>> 0 : 0, min: last ? min : -Infinity, max: last ? max : Infinity,
      },
    };
  });
}
