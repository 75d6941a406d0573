import { extname } from 'node:path';
import { fail } from '../expect.ts';
import type { Tensor } from '../tensor.ts';
import { inFileAsync, readBytes } from './files.ts';

type Reader = (bytes: Uint8Array) => Promise<ReadonlyMap<string, Tensor>>;

/** Files of named arrays, by their ending. A `.npy` holds one, without a name. */
const readers = {
  '.npz': async (bytes) => (await import('../io/npz.ts')).readNpz(bytes),
  '.safetensors': async (bytes) => (await import('../io/safetensors.ts')).readSafetensors(bytes).tensors,
  '.npy': async (bytes) => new Map([['', (await import('../io/npy.ts')).readNpy(bytes)]]),
} satisfies Record<string, Reader>;

/** The arrays of a file. @throws BurinError `file` for another ending or what cannot be read */
export async function readArrays(path: string): Promise<ReadonlyMap<string, Tensor>> {
  const ending = extname(path).toLowerCase();
  if (!Object.hasOwn(readers, ending)) {
    return fail({ kind: 'file', where: path, needs: `a file that ends in ${Object.keys(readers).join(', ')}`, got: ending || 'no ending' });
  }
  const bytes = await readBytes(path);
  return inFileAsync(path, () => readers[ending as keyof typeof readers](bytes));
}
