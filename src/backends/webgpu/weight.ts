import { expect, show } from '../../expect.ts';
import { packedBytes, type Packed } from '../../formats/index.ts';
import { patternOf } from '../../kernels.ts';
import { storage, USAGE, write } from './buffers.ts';
import { checkSize, type Guard } from './guard.ts';
import { jobBytes, writeJob } from './program.ts';
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

/** What the shaders read of a weight. */
export interface Held {
  readonly packed: Omit<Packed, 'values' | 'idx' | 'ptr'>;
  readonly pattern: string;
  /** In the order of the bindings: job, values, idx, ptr, bias. */
  readonly buffers: readonly GPUBuffer[];
  readonly bytes: number;
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

/** Puts a packing on the device. @throws BurinError when there is no room for it. */
export async function hold(guard: Guard, packed: Packed, bias: Float32Array | undefined, where: string): Promise<Held> {
  const { device } = guard, { values, idx, ptr, ...shape } = packed;
  const arrays = { values, idx, ptr, bias: bias ?? new Float32Array(packed.rows) };
  const buffers: GPUBuffer[] = [];
  try {
    await guard.run(where, () => {
      buffers.push(device.createBuffer({ label: `${where} job`, size: jobBytes('spmm'), usage: USAGE.uniform | USAGE.copyDst }));
      for (const [name, data] of Object.entries(arrays)) {
        const buffer = storage(device, `${where} ${name}`, data.byteLength);
        buffers.push(buffer);
        write(device, buffer, data);
      }
    });
  } catch (error) {
    for (const buffer of buffers) buffer.destroy();
    throw error;
  }
  const bytes = packedBytes(packed) + arrays.bias.byteLength + jobBytes('spmm');
  return { packed: shape, pattern: patternOf(packed.format, packed.block), buffers, bytes };
}

/** The record a shader reads its job from, for N = spans · span columns and results in [lo, hi]. */
export function jobFor({ packed }: Held, spans: number, lo: number, hi: number): Uint32Array {
  const { rows, cols, layout, starts, blocks, blockRows, blockCols } = packed;
  const numbers = {
    rows, depth: cols, spans, k_block: layout.kBlock, parts: starts.length, blocks, block_rows: blockRows, block_cols: blockCols, lo, hi,
  };
  const view = new DataView(new ArrayBuffer(jobBytes('spmm')));
  writeJob('spmm', numbers, view);
  return new Uint32Array(view.buffer);
}
