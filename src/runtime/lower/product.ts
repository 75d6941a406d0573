import type { Call } from '../../backends/index.ts';
import { evenBlock, formats, pack, type Block, type Matrix, type Packed } from '../../formats/index.ts';
import type { Kernel } from '../../kernels.ts';
import type { Context } from './context.ts';

/** One way to store a weight and run it. */
export interface Choice {
  readonly format: string;
  readonly block: Block;
  readonly kernel: Kernel;
}

/** A weight as a matrix, with a key that names its data. */
export interface Weight {
  readonly key: string;
  readonly matrix: () => Matrix;
  readonly rows: number;
  readonly cols: number;
}

/** What happens to a sum on its way to memory. `residual` is an address. */
export interface Epilogue {
  readonly bias?: number;
  readonly residual?: number;
  readonly min: number;
  readonly max: number;
}

/** Bytes of a panel that stay in the first cache beside the stream of weights. */
const PANEL_BYTES = 24 * 1024;
/** Dense kernels stream both operands: a panel may be as large as half the second cache. */
const DENSE_PANEL_BYTES = 32 * 1024;

interface Uploaded {
  readonly packed: Pick<Packed, 'blockRows' | 'blocks' | 'blockCols'>;
  readonly kBlock: number;
  /** values, idx, and ptr (or positions a block) of each part. */
  readonly parts: Uint32Array;
}

const uploaded = new WeakMap<Context, Map<string, Uploaded>>();

/** The packed weight on the device; packed and uploaded once for each key and choice. */
function upload(ctx: Context, weight: Weight, choice: Choice, unit: number): Uploaded {
  const { block, kernel, format } = choice, step = block.of ?? block.cols;
  const bytes = format === 'dense' ? DENSE_PANEL_BYTES : PANEL_BYTES;
  const kBlock = format === 'dense' && kernel.op === 'spmv'
    ? weight.cols
    : evenBlock(weight.cols, unit, kernel.op === 'spmv' ? 65536 : bytes, step);
  const key = `${weight.key}|${format}${blockName(block)}|${kernel.rows}|${unit}|${kBlock}`;
  const cache = uploaded.get(ctx) ?? new Map<string, Uploaded>();
  uploaded.set(ctx, cache);
  let packed: Packed | undefined;
  const data = (): Packed => (packed ??= pack(format, weight.matrix(), { lanes: kernel.rows, unit, kBlock }, block, weight.key));
  const values = ctx.upload(`${key}|values`, () => data().values);
  const idx = ctx.upload(`${key}|idx`, () => data().idx);
  const ptr = ctx.upload(`${key}|ptr`, () => data().ptr);
  const known = packed ? undefined : cache.get(key);
  if (known) return known;
  const { starts, blocks, blockRows, blockCols, layout } = data();
  const counted = formats[format as keyof typeof formats].indexed && format !== 'nm';
  const parts = new Uint32Array(starts.length * 3);
  starts.forEach((start, p) => {
    const perBlock = data().ptr[p * (blocks + 1) + 1];
    parts.set([values + start * blockCols * kernel.rows * 4, idx + start * 2, counted ? ptr + p * (blocks + 1) * 4 : perBlock], p * 3);
  });
  const made = { packed: { blockRows, blocks, blockCols }, kBlock: layout.kBlock, parts };
  cache.set(key, made);
  return made;
}

/** `4x1`, `2:4`: a block in a word. */
export function blockName(block: Block): string {
  return block.of ? `${block.keep}:${block.of}` : `${block.rows}x${block.cols}`;
}

/** `csr`, `bsr 4x1`, `nm 2:4`: a choice of format in a word or two. */
export function formatName({ format, block }: Choice): string {
  return format === 'dense' || format === 'csr' ? format : `${format} ${blockName(block)}`;
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
  const { kernel } = choice, width = kernel.width, unit = width * 4;
  const { packed, kBlock, parts } = upload(ctx, weight, choice, unit);
  return [productCall(ctx, {
    rows: weight.rows, depth: weight.cols, cols, kernel, kBlock, operand, place, epilogue,
    ...packed, parts: ctx.upload(`${parts.join()}|parts`, () => parts),
  })];
}

interface Launch {
  rows: number; depth: number; cols: number; kernel: Kernel; kBlock: number; operand: Operand; place: Place; epilogue: Epilogue;
  blockRows: number; blocks: number; blockCols: number; parts: number;
}

/** One product whose left side lies ready on the device. */
export function productCall(ctx: Context, launch: Launch): Call {
  const { rows, depth, cols, kernel, kBlock, operand, place, epilogue, blockRows, blocks, blockCols, parts } = launch;
  const width = kernel.width, unit = width * 4;
  const { bias = 0, residual = 0, min, max } = epilogue;
  const panel = ctx.scratch(Math.min(kBlock, depth) * unit);
  // A tile wider than C, or one whose columns are not contiguous in memory, is finished in scratch memory.
  const aside = cols < width || place.colStride !== 4;
  const tile = aside ? ctx.scratch(rows * unit) : place.address;
  const packJob: Call = { kernel: operand.pack, job: { ...operand.job, panel, width } };
  const spmmJob: Call = {
    kernel: kernel.name,
    job: { run: blockCols, blocks, blockRows, rows, panel, unit, c: tile, cStride: aside ? unit : place.rowStride, bias },
  };
  const delta = residual ? (residual - place.address) >>> 0 : 0;
  const common = {
    spmm: { kernel: kernel.name }, spmmJob, pack: { kernel: operand.pack }, packJob, cols, width, depth, kBlock, parts, c: tile,
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
  const { packed, kBlock, parts } = upload(ctx, weight, choice, 4);
  const { bias = 0, residual = 0, min, max } = epilogue, count = parts.length / 3;
  return Array.from({ length: count }, (_, p): Call => {
    const last = p === count - 1;
    return {
      kernel: kernel.name,
      job: {
        values: parts[p * 3], idx: parts[p * 3 + 1], ptr: parts[p * 3 + 2],
        run: packed.blockCols, blocks: packed.blocks, blockRows: packed.blockRows,
        rows: weight.rows, cols: weight.cols, x: x + p * kBlock * 4, y, bias, partial: p > 0 ? 1 : 0,
        residual: last && residual ? (residual - y) >>> 0 : 0, min: last ? min : -Infinity, max: last ? max : Infinity,
      },
    };
  });
}
