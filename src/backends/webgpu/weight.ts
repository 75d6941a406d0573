import { expect, show } from '../../expect.ts';
import { pack, type Block, type Layout, type Matrix, type Packed } from '../../formats/index.ts';
import { toHalf } from '../../formats/half.ts';
import { patternOf } from '../../kernels.ts';
import { storage, write } from './buffers.ts';
import { checkSize, type Guard } from './guard.ts';
import { variants } from './shaders.ts';
import { countsOf, cutOf, orderOf, type Cut } from './split.ts';

/** A[M×K] as the shaders read it. */
export interface Factor {
  readonly packed: Pick<Packed, 'rows' | 'cols' | 'block' | 'layout' | 'starts' | 'blocks' | 'blockRows' | 'blockCols'>;
  readonly pattern: string;
  /** Of the values: `f16` are widened when they are read. */
  readonly dtype?: 'f32' | 'f16';
  /** Groups of rows, each with its own columns of K, and the rows of one. */
  readonly groups: number;
  readonly rows: number;
  /** In the order of the bindings after the job: values, idx, ptr, bias. */
  readonly operands: readonly GPUBufferBinding[];
  /** Where among the pointers the order of blocks begins; 0 where there is none. */
  readonly order: number;
  /** Whether there is a bias; something else is bound in its place where not. */
  readonly biased: boolean;
  /** Where each k is in an image (convolutions only). */
  readonly taps?: GPUBuffer;
  /** Blocks of each group that the order lists; all where absent. */
  readonly listed?: number;
  /** How its heavy blocks of rows can be run in pieces, and what the shaders read of that; absent where none is heavy. */
  readonly split?: { readonly cut: Cut; readonly pieces: GPUBufferBinding };
}

/** A weight on a device. */
export interface Held extends Factor {
  readonly format: string;
  readonly buffers: readonly GPUBuffer[];
  readonly bytes: number;
}

/** What goes with a packing. */
export interface HoldOptions {
  /** bias[groups · M] */
  readonly bias?: Float32Array;
  /** Groups of a grouped convolution that lie one below the other, as {@link packGroups} makes them; 1 where absent. */
  readonly groups?: number;
  /** Rows of one group; those of the packing shared out where absent. */
  readonly rows?: number;
  /** taps[2 · K] of a convolution (tapsOf). */
  readonly taps?: Uint32Array;
  /** Whether the values are stored in 16 bits, which must hold them exactly (isHalf). */
  readonly half?: boolean;
}

/**
 * Packs groups[groups · rows, cols], one below the other, so that every group begins with a block of rows of its own: rows of
 * zeros fill its last block up.
 */
export function packGroups(format: string, matrix: Matrix, groups: number, layout: Layout, block?: Block): Packed {
  const rows = matrix.rows / groups, step = format === 'dense' ? layout.lanes : block?.rows ?? 1, whole = Math.ceil(rows / step) * step;
  if (groups === 1 || whole === rows) return pack(format, matrix, layout, block);
  const values = new Float32Array(groups * whole * matrix.cols), size = rows * matrix.cols;
  for (let g = 0; g < groups; g++) values.set(matrix.values.subarray(g * size, (g + 1) * size), g * whole * matrix.cols);
  return pack(format, { rows: groups * whole, cols: matrix.cols, values }, layout, block);
}

/** Rows that a packing may keep together where shaders walk it with values of this type. */
function lanesOf(format: string, block: Block, half: boolean): string[] {
  const walk = `${half ? 'f16' : 'f32'}_${patternOf(format, block)}_spmm_`;
  return Object.keys(variants).filter((name) => name.startsWith(walk) && name.endsWith('x1')).map((name) => name.slice(walk.length, -2));
}

/** Whether shaders read values of 16 bits of such a packing. */
export function readsHalf(format: string, block: Block, lanes: number): boolean {
  return lanesOf(format, block, true).includes(`${lanes}`);
}

/** @throws BurinError when no shader can walk this packing, or it does not fit the device. */
export function checkPacked(device: GPUDevice, packed: Packed, { bias, half = false }: HoldOptions, where: string): void {
  const { rows, cols, format, layout, idx } = packed, shape = `${where} [${rows}, ${cols}]`;
  expect(rows > 0, { kind: 'shape', where: shape, needs: 'one row or more', got: '0' });
  expect(!bias || bias.length === rows, { kind: 'shape', where: shape, needs: `a bias of ${rows}`, got: `${bias?.length}` });
  expect(idx.length === 0 || layout.unit === 1, {
    kind: 'argument', where: shape, needs: 'an index that counts columns', got: `unit ${layout.unit}`, remedy: 'pack with unit: 1',
  });
  const lanes = lanesOf(format, packed.block, half);
  expect(lanes.includes(`${layout.lanes}`), {
    kind: 'argument', where: shape,
    needs: `a known format with ${lanes.join(', ') || 'known'} lanes${half ? ' for weights of 16 bits' : ''}`,
    got: `${show(format)} with ${layout.lanes}`,
    remedy: 'pack with one of these lanes, not fewer than the rows of a block',
  });
  for (const [name, { byteLength }] of Object.entries({ values: packed.values, idx, ptr: packed.ptr })) {
    checkSize(device, `${shape} ${name}`, byteLength);
  }
}

/** Patterns whose blocks of rows have pointers of their own. */
const POINTED: ReadonlySet<string> = new Set(['csr', 'bsr']);

/** The pointers, then what shaders are told of the order of blocks where they do not all store as much, and how heavy ones are cut. */
function orderedOf(packed: Packed, groups: number, pattern: string): { ptr: Uint32Array; order: number; cut?: Cut } {
  const { ptr } = packed, counts = countsOf(packed), order = orderOf(counts, groups);
  const cut = POINTED.has(pattern) ? cutOf(packed, counts, order, groups) : undefined;
  if (!cut && counts.every((count) => count === counts[0])) return { ptr, order: 0 };
  return { ptr: joined([ptr, order, ...(cut ? [cut.light] : [])]), order: ptr.length, cut };
}

function joined(arrays: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

type Arrays = Readonly<Record<string, ArrayBufferView | undefined>>;

/** New buffers with these, by the same keys. @throws BurinError when there is no room for them */
async function upload({ device, run }: Guard, arrays: Arrays, where: string): Promise<Readonly<Record<string, GPUBuffer>>> {
  const buffers: Record<string, GPUBuffer> = {};
  try {
    await run(where, () => {
      for (const [name, data] of Object.entries(arrays)) {
        if (!data) continue;
        buffers[name] = storage(device, `${where} ${name}`, data.byteLength);
        write(device, buffers[name], data);
      }
    });
  } catch (error) {
    release(Object.values(buffers));
    throw error;
  }
  return buffers;
}

/** Puts a packing on the device. @throws BurinError when there is no room for it. */
export async function hold(guard: Guard, packed: Packed, options: HoldOptions, where: string): Promise<Held> {
  const { idx, ptr: _, ...shape } = packed, { groups = 1, rows = packed.rows / groups, taps, bias, half = false } = options;
  const values = half ? toHalf(packed.values, 1) : packed.values;
  const pattern = patternOf(packed.format, packed.block), { ptr, order, cut } = orderedOf(packed, groups, pattern);
  const arrays: Arrays = { values, idx, ptr, bias, taps, pieces: cut?.words };
  const made = await upload(guard, arrays, where);
  const bytes = Object.values(arrays).reduce((sum, data) => sum + (data?.byteLength ?? 0), 0);
  const operands = [made.values, made.idx, made.ptr, made.bias ?? made.values].map((buffer): GPUBufferBinding => ({ buffer }));
  return {
    packed: shape, format: packed.format, pattern, dtype: half ? 'f16' : 'f32', groups, rows, operands, order, biased: bias !== undefined,
    buffers: Object.values(made), bytes, ...(taps && { taps: made.taps }), ...(cut && { split: { cut, pieces: { buffer: made.pieces } } }),
  };
}

export function release(buffers: readonly GPUBuffer[]): void {
  for (const buffer of buffers) buffer.destroy();
}
