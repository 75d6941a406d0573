import type { Call } from '../../backends/index.ts';
import { countNonzero, evenBlock, formats, pack, type Block, type Matrix, type Packed } from '../../formats/index.ts';
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
/**
 * Where a row has few weights in such a panel, reading and writing its sums once more costs more than the second cache does:
 * 512→512 at 14², 95 % zeros: 20.4 GFLOP/s with 24 KB, 29.7 with 48 KB; 80 %: 35.6 and 34.1.
 */
const LARGE_PANEL_BYTES = 48 * 1024;
const FEW_WEIGHTS = 32;
/** Dense kernels stream both operands: a panel may be as large as half the second cache. */
const DENSE_PANEL_BYTES = 32 * 1024;

interface Uploaded {
  readonly packed: Pick<Packed, 'blockRows' | 'blocks' | 'blockCols'>;
  readonly kBlock: number;
  /** values, idx, ptr (or positions a block) and order (or 0) of each part. */
  readonly parts: Uint32Array;
}

/** Numbers that `parts` holds for each part. */
const PART = 4;

/** What is packed, how, and for which layout of the other operand. */
interface Packing {
  readonly weight: Weight;
  readonly choice: Choice;
  /** Bytes between rows of the other operand. */
  readonly unit: number;
  /** Bytes from the start of the other operand to each of its rows, with a key, where it is read in place. */
  readonly offsets?: { readonly key: string; readonly make: () => Uint32Array };
}

const uploaded = new WeakMap<Context, Map<string, Uploaded>>();

const densities = new WeakMap<Context, Map<string, number>>();

/** Share of a weight that is not zero, counted once. */
function densityOf(ctx: Context, { key, matrix }: Weight): number {
  const known = densities.get(ctx) ?? new Map<string, number>();
  densities.set(ctx, known);
  if (!known.has(key)) {
    const { values } = matrix();
    known.set(key, countNonzero(values) / values.length);
  }
  return known.get(key)!;
}

/** Columns of a weight that one pass takes. */
function kBlockOf(ctx: Context, { weight, choice: { format, kernel, block }, unit }: Packing): number {
  if (kernel.op === 'direct' || (format === 'dense' && kernel.op === 'spmv')) return weight.cols;
  const step = block.of ?? block.cols;
  if (kernel.op === 'spmv') return evenBlock(weight.cols, unit, 65536, step);
  if (format === 'dense') return evenBlock(weight.cols, unit, DENSE_PANEL_BYTES, step);
  const kBlock = evenBlock(weight.cols, unit, PANEL_BYTES, step);
  return kBlock * densityOf(ctx, weight) < FEW_WEIGHTS ? evenBlock(weight.cols, unit, LARGE_PANEL_BYTES, step) : kBlock;
}

/** The packed weight on the device; packed and uploaded once for each key and choice. */
function upload(ctx: Context, packing: Packing): Uploaded {
  const { weight, choice: { block, kernel, format }, unit, offsets } = packing;
  const kBlock = kBlockOf(ctx, packing), pairs = kernel.pattern === 'pair';
  const key = `${weight.key}|${format}${blockName(block)}|${kernel.pattern} ${kernel.rows}|${unit}|${kBlock}|${offsets?.key ?? ''}`;
  const cache = uploaded.get(ctx) ?? new Map<string, Uploaded>();
  uploaded.set(ctx, cache);
  let packed: Packed | undefined;
  const data = (): Packed =>
    (packed ??= pack(format, weight.matrix(), { lanes: kernel.rows, unit, kBlock, pairs, offsets: offsets?.make() }, block, weight.key));
  const values = ctx.upload(`${key}|values`, () => data().values);
  const idx = ctx.upload(`${key}|idx`, () => data().idx);
  const ptr = ctx.upload(`${key}|ptr`, () => data().ptr);
  const order = pairs ? ctx.upload(`${key}|order`, () => data().order!) : 0;
  const known = packed ? undefined : cache.get(key);
  if (known) return known;
  const { blocks, blockRows, blockCols, layout } = data();
  const made = {
    packed: { blockRows, blocks, blockCols }, kBlock: layout.kBlock, parts: partsOf(data(), { values, idx, ptr, order }),
  };
  cache.set(key, made);
  return made;
}

/** Addresses of the values, the indices, the counts and the rows of each part. */
function partsOf(packed: Packed, at: { values: number; idx: number; ptr: number; order: number }): Uint32Array {
  const { starts, valueStarts, blocks, blockCols, layout, format, idx, ptr } = packed;
  const counted = layout.pairs || (formats[format as keyof typeof formats].indexed && format !== 'nm');
  return Uint32Array.from(starts.flatMap((start, p) => {
    const value = valueStarts ? valueStarts[p] : start * blockCols * layout.lanes;
    const firstCount = p * (layout.pairs ? blocks : blocks + 1);
    const counts = counted ? at.ptr + firstCount * 4 : ptr[firstCount + 1];
    return [at.values + value * 4, at.idx + start * idx.BYTES_PER_ELEMENT, counts, at.order && at.order + p * blocks * 8];
  }));
}

/** `4x1`, `2:4`: a block in a word. */
export function blockName(block: Block): string {
  return block.of ? `${block.keep}:${block.of}` : `${block.rows}x${block.cols}`;
}

/** `csr`, `bsr 4x1`, `nm 2:4`: a choice of format in a word or two. */
export function formatName({ format, block }: Choice): string {
  return format === 'bsr' || format === 'nm' ? `${format} ${blockName(block)}` : format;
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
  const { kernel } = choice, direct = kernel.op === 'direct';
  const unit = direct ? operand.job.stride : kernel.width * 4;
  const offsets = { key: `every ${unit}`, make: () => Uint32Array.from({ length: weight.cols }, (_, k) => k * unit) };
  const { packed, kBlock, parts } = upload(ctx, { weight, choice, unit, ...(direct && { offsets }) });
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
  const direct = kernel.op === 'direct', panel = direct ? operand.job.src : ctx.scratch(Math.min(kBlock, depth) * unit);
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
    spmm: { kernel: kernel.name }, spmmJob, ...(!direct && { pack: { kernel: operand.pack }, packJob }),
    cols, width, depth, kBlock, parts, c: tile,
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
  const { packed, kBlock, parts } = upload(ctx, { weight, choice, unit: 4 });
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
