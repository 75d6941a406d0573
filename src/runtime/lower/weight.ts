import { HALF_MASK, toHalf } from '../../formats/half.ts';
import { evenBlock, formats, pack, type Block, type Layout, type Matrix, type Packed } from '../../formats/index.ts';
import { nonzerosOf } from '../../formats/occupancy.ts';
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
  /** Packs it where it is not to become a whole matrix first; by `pack` where absent. */
  readonly pack?: (choice: Choice, layout: Layout) => Packed;
  /** Share of it that is not zero; counted where absent. */
  readonly density?: number;
  readonly rows: number;
  readonly cols: number;
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
/** What 16-bit indices of a vector reach. */
const VECTOR_BYTES = 64 * 1024;

export interface Uploaded {
  readonly packed: Pick<Packed, 'blockRows' | 'blocks' | 'blockCols'>;
  readonly kBlock: number;
  /** values, idx, ptr (or positions a block) and order (or 0) of each part. */
  readonly parts: Uint32Array;
}

/** Numbers that `parts` holds for each part. */
export const PART = 4;

/** How the other operand lies. */
export interface WeightLayout {
  /** Bytes between its rows. */
  readonly unit: number;
  /** Columns of the weight that one pass takes. */
  readonly kBlock: number;
  /** The index of each column where that is not its place times `unit`, with a key. */
  readonly index?: { readonly key: string; readonly make: () => Uint32Array };
}

const uploaded = new WeakMap<Context, Map<string, Uploaded>>();
const densities = new WeakMap<Context, Map<string, number>>();

/** Share of a weight that is not zero, counted once. */
function densityOf(ctx: Context, { key, matrix, density }: Weight): number {
  if (density !== undefined) return density;
  const known = densities.get(ctx) ?? new Map<string, number>();
  densities.set(ctx, known);
  if (!known.has(key)) {
    const whole = matrix();
    known.set(key, nonzerosOf(whole) / whole.values.length);
  }
  return known.get(key)!;
}

/** Columns of a sparse weight that one pass takes, whole steps; `columnBytes` of a panel belong to each. */
export function sparseBlock(ctx: Context, weight: Weight, { columnBytes, step }: { columnBytes: number; step: number }): number {
  const kBlock = evenBlock(weight.cols, columnBytes, PANEL_BYTES, step);
  return kBlock * densityOf(ctx, weight) < FEW_WEIGHTS ? evenBlock(weight.cols, columnBytes, LARGE_PANEL_BYTES, step) : kBlock;
}

/** The layout of a packed panel, of a vector, or of rows `stride` bytes apart that a kernel reads in place. */
export function productLayout(ctx: Context, weight: Weight, { format, kernel, block }: Choice, stride = 0): WeightLayout {
  const { cols } = weight, unit = kernel.op === 'spmv' ? 4 : kernel.width * 4, step = block.of ?? block.cols;
  if (kernel.op === 'direct') {
    const make = (): Uint32Array => Uint32Array.from({ length: cols }, (_, k) => k * stride);
    return { unit: stride, kBlock: cols, index: { key: `every ${stride}`, make } };
  }
  if (kernel.op === 'spmv') return { unit, kBlock: format === 'dense' ? cols : evenBlock(cols, unit, VECTOR_BYTES, step) };
  if (format === 'dense') return { unit, kBlock: evenBlock(cols, unit, DENSE_PANEL_BYTES, step) };
  return { unit, kBlock: sparseBlock(ctx, weight, { columnBytes: unit, step }) };
}

/** The packed weight on the device; packed and uploaded once for each key, choice and layout. */
export function upload(ctx: Context, weight: Weight, choice: Choice, { unit, kBlock, index }: WeightLayout): Uploaded {
  const { block, kernel, format } = choice, pairs = kernel.pattern === 'pair', half = kernel.dtype === 'f16';
  const walk = `${kernel.dtype} ${kernel.pattern} ${kernel.rows}`;
  const key = `${weight.key}|${format}${blockName(block)}|${walk}|${unit}|${kBlock}|${index?.key ?? ''}`;
  const cache = uploaded.get(ctx) ?? new Map<string, Uploaded>();
  uploaded.set(ctx, cache);
  let packed: Packed | undefined;
  const layout = { lanes: kernel.rows, unit, kBlock, pairs, indexBytes: kernel.op === 'direct' ? 4 as const : 2 as const };
  const make = (wish: Layout): Packed => weight.pack?.(choice, wish) ?? pack(format, weight.matrix(), wish, block, weight.key);
  const data = (): Packed => (packed ??= make({ ...layout, offsets: index?.make() }));
  const values = ctx.upload(`${key}|values`, () => (half ? toHalf(data().values, weight.cols) : data().values));
  const idx = half ? ctx.upload('half mask', () => HALF_MASK) : ctx.upload(`${key}|idx`, () => data().idx);
  const ptr = ctx.upload(`${key}|ptr`, () => data().ptr);
  const order = pairs ? ctx.upload(`${key}|order`, () => data().order!) : 0;
  const known = packed ? undefined : cache.get(key);
  if (known) return known;
  const { blocks, blockRows, blockCols } = data();
  const made = {
    packed: { blockRows, blocks, blockCols }, kBlock: data().layout.kBlock, parts: partsOf(data(), { values, idx, ptr, order }),
  };
  cache.set(key, made);
  return made;
}

/** Addresses of the values, the indices, the counts and the rows of each part. */
function partsOf(packed: Packed, at: { values: number; idx: number; ptr: number; order: number }): Uint32Array {
  const { starts, valueStarts, blocks, blockCols, layout, format, idx, ptr } = packed;
  const counted = layout.pairs || formats[format as keyof typeof formats].indexed;
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
export function formatName({ format, block }: Pick<Choice, 'format' | 'block'>): string {
  return format === 'bsr' || format === 'nm' ? `${format} ${blockName(block)}` : format;
}
