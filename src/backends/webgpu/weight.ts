import { expect, show } from '../../expect.ts';
import { pack, packedBytes, type Block, type Layout, type Matrix, type Packed } from '../../formats/index.ts';
import { patternOf } from '../../kernels.ts';
import { storage, write } from './buffers.ts';
import { checkSize, type Guard } from './guard.ts';
import { variants } from './shaders.ts';

/** A packed A[M×K] with its bias[M] on a device. */
export interface Weight {
  /** M and K. */
  readonly rows: number;
  readonly cols: number;
  readonly format: string;
  /** Bytes it holds on the device. */
  readonly bytes: number;
  /** Frees its buffers; products under way end as if it were still there. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** A[M×K] as the shaders read it. */
export interface Factor {
  readonly packed: Pick<Packed, 'rows' | 'cols' | 'block' | 'layout' | 'starts' | 'blocks' | 'blockRows' | 'blockCols'>;
  readonly pattern: string;
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

/** @throws BurinError when no shader can walk this packing, or it does not fit the device. */
export function checkPacked(device: GPUDevice, packed: Packed, bias: Float32Array | undefined, where: string): void {
  const { rows, cols, format, layout, idx } = packed, shape = `${where} [${rows}, ${cols}]`;
  expect(rows > 0, { kind: 'shape', where: shape, needs: 'one row or more', got: '0' });
  expect(!bias || bias.length === rows, { kind: 'shape', where: shape, needs: `a bias of ${rows}`, got: `${bias?.length}` });
  expect(idx.length === 0 || layout.unit === 1, {
    kind: 'argument', where: shape, needs: 'an index that counts columns', got: `unit ${layout.unit}`, remedy: 'pack with unit: 1',
  });
  const walk = `f32_${patternOf(format, packed.block)}_spmm_`;
  const lanes = Object.keys(variants).filter((name) => name.startsWith(walk) && name.endsWith('x1'))
    .map((name) => name.slice(walk.length, -2));
  expect(lanes.includes(`${layout.lanes}`), {
    kind: 'argument', where: shape,
    needs: `a known format with ${lanes.join(', ') || 'known'} lanes`,
    got: `${show(format)} with ${layout.lanes}`,
    remedy: 'pack with one of these lanes, not fewer than the rows of a block',
  });
  for (const [name, { byteLength }] of Object.entries({ values: packed.values, idx, ptr: packed.ptr })) {
    checkSize(device, `${shape} ${name}`, byteLength);
  }
}

/**
 * Blocks of rows of each group in the order of what they store, the most first: rows that run side by side then end together, and
 * no heavy one comes last (row swizzle, Gale et al., Sparse GPU Kernels for Deep Learning, 2020). None where all store as much.
 */
function orderOf({ ptr, blocks, starts }: Packed, groups: number): Uint32Array | undefined {
  const counts = new Uint32Array(blocks), each = blocks / groups;
  for (let part = 0; part < starts.length; part++) {
    const at = part * (blocks + 1);
    for (let i = 0; i < blocks; i++) counts[i] += ptr[at + i + 1] - ptr[at + i];
  }
  if (counts.every((count) => count === counts[0])) return undefined;
  const order = new Uint32Array(blocks);
  for (let first = 0; first < blocks; first += each) {
    const own = order.subarray(first, first + each).map((_, i) => i);
    order.set(own.sort((a, b) => counts[first + b] - counts[first + a] || a - b), first);
  }
  return order;
}

function joined(first: Uint32Array, second: Uint32Array): Uint32Array {
  const both = new Uint32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Puts a packing on the device. @throws BurinError when there is no room for it. */
export async function hold(guard: Guard, packed: Packed, options: HoldOptions, where: string): Promise<Held> {
  const { device } = guard, { values, idx, ptr, ...shape } = packed, { groups = 1, rows = packed.rows / groups, taps } = options;
  const { bias } = options, order = orderOf(packed, groups);
  const pointers = order ? joined(ptr, order) : ptr;
  const arrays = { values, idx, ptr: pointers, ...(bias && { bias }), ...(taps && { taps }) };
  const buffers: GPUBuffer[] = [];
  try {
    await guard.run(where, () => {
      for (const [name, data] of Object.entries(arrays)) {
        const buffer = storage(device, `${where} ${name}`, data.byteLength);
        buffers.push(buffer);
        write(device, buffer, data);
      }
    });
  } catch (error) {
    release(buffers);
    throw error;
  }
  const bytes = packedBytes(packed) + (order?.byteLength ?? 0) + (bias?.byteLength ?? 0) + (taps?.byteLength ?? 0);
  const operands = [...buffers.slice(0, 3), bias ? buffers[3] : buffers[0]].map((buffer): GPUBufferBinding => ({ buffer }));
  return {
    packed: shape, format: packed.format, pattern: patternOf(packed.format, packed.block), groups, rows, operands,
    order: order ? ptr.length : 0,
    biased: bias !== undefined, buffers, bytes,
    ...(taps && { taps: buffers.at(-1) }),
  };
}

export function release(buffers: readonly GPUBuffer[]): void {
  for (const buffer of buffers) buffer.destroy();
}
