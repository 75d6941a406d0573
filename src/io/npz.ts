import { expect } from '../expect.ts';
import type { Tensor } from '../tensor.ts';
import { readNpy, writeNpy } from './npy.ts';
import { unzip, zip, zipEntries } from './zip.ts';

const where = 'npz file';
const EXTENSION = '.npy';
/** Bytes to which the arrays of one file may inflate unless the caller allows more. */
const MOST_BYTES = 2 ** 31;

export interface ReadNpzOptions {
  /** Bytes to which the arrays of the file may inflate together. Default 2 GiB. */
  readonly mostBytes?: number;
}

/**
 * The arrays of a NumPy `.npz` file by name, as numpy.savez and numpy.savez_compressed write it (zip64 too). What is no `.npy` in it is
 * left out. Deflated arrays are inflated one after the other, each checked against its CRC-32.
 * @throws BurinError `file` for damaged bytes, `unsupported` for types and compressions we do not read, `limit` for more than `mostBytes`
 */
export async function readNpz(bytes: Uint8Array, options: ReadNpzOptions = {}): Promise<Map<string, Tensor>> {
  const { mostBytes = MOST_BYTES } = options;
  const entries = zipEntries(bytes).filter(({ name }) => name.endsWith(EXTENSION));
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  expect(total <= mostBytes, {
    kind: 'limit', where, needs: `at most ${mostBytes} bytes of arrays`, got: `${total}`, remedy: 'raise mostBytes, or save fewer arrays',
  });
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) tensors.set(entry.name.slice(0, -EXTENSION.length), readNpy(await unzip(entry)));
  return tensors;
}

/** The bytes of a NumPy `.npz` file, arrays stored, not compressed. @throws BurinError `limit` beyond 2 GiB */
export function writeNpz(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  return zip(new Map(Array.from(tensors, ([name, tensor]) => [`${name}${EXTENSION}`, writeNpy(tensor)])));
}
