import { expect, expectOptions, show } from '../expect.ts';
import { tensorFrom, type Tensor } from '../tensor.ts';
import { bytesFrom } from './bytes.ts';
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
 * @throws BurinError `argument` for what are no bytes, `file` for damaged ones, `unsupported` for types and compressions we do not read,
 * `limit` for more than `mostBytes`
 */
export async function readNpz(file: Uint8Array | ArrayBuffer, options: ReadNpzOptions = {}): Promise<Map<string, Tensor>> {
  const bytes = bytesFrom(file, where);
  expectOptions(options, 'readNpz options');
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

/**
 * The bytes of a NumPy `.npz` file, arrays stored, not compressed.
 * @throws BurinError `argument` for what are no tensors by name, `limit` beyond 2 GiB
 */
export function writeNpz(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  expect(tensors instanceof Map, { kind: 'argument', where, needs: 'a Map of tensors by name', got: show(tensors) });
  return zip(new Map(Array.from(tensors, ([name, tensor]) => [`${name}${EXTENSION}`, writeNpy(tensorFrom(tensor, `${where}, ${name}`))])));
}
