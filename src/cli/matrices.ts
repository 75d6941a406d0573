import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { expect, fail, show } from '../expect.ts';
import type { Matrix } from '../formats/index.ts';
import type { NamedMatrix } from '../measure/cases.ts';
import { inFile, readBytes } from './files.ts';

const unzip = promisify(gunzip);

/** Little-endian f32 of a gzipped file. */
async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await unzip(await readBytes(path));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
}

/** NAME_weights.raw.gz, NAME_mask.raw.gz, NAME_bias.raw.gz: weights row-major, a mask of 0 and 1, and as many biases as rows. */
async function readRaw(path: string): Promise<Matrix> {
  const part = (name: string): Promise<Float32Array> => readFloats(path.replace(/_weights\.raw\.gz$/, `_${name}.raw.gz`));
  const [weights, mask, { length: rows }] = await Promise.all([part('weights'), part('mask'), part('bias')]);
  expect(weights.length === mask.length && weights.length % rows === 0, {
    kind: 'file', where: path, needs: `a mask as long as the weights, in ${rows} rows`, got: `${mask.length} and ${weights.length}`,
  });
  return { rows, cols: weights.length / rows, values: weights.map((weight, i) => weight * mask[i]) };
}

/** How a matrix is read, by how the name of its file ends. */
const readers: Readonly<Record<string, (path: string) => Promise<Matrix>>> = {
  '_weights.raw.gz': readRaw,
  '.mtx': async (path) => {
    const { readMtx } = await import('../io/mtx.ts'), bytes = await readBytes(path);
    return inFile(path, () => readMtx(bytes));
  },
  '.smtx': async (path) => {
    const { readSmtx } = await import('../io/smtx.ts'), bytes = await readBytes(path);
    return inFile(path, () => readSmtx(bytes));
  },
};

/**
 * Every matrix below a folder (.mtx, .smtx, or raw weights with their mask), named after its file, its network after its folder.
 * @throws BurinError for a folder or file that cannot be read, or a folder without matrices
 */
export async function loadMatrices(folder: string): Promise<NamedMatrix[]> {
  const found: NamedMatrix[] = [];
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) =>
    fail({ kind: 'file', where: folder, needs: 'a folder that can be read', got: show(cause), cause }));
  for (const path of names.sort().map((name) => join(folder, name))) {
    const end = Object.keys(readers).find((ending) => path.endsWith(ending));
    if (end) found.push({ network: basename(dirname(path)), name: basename(path, end), matrix: await readers[end](path) });
  }
  expect(found.length > 0, { kind: 'file', where: folder, needs: `files that end in ${Object.keys(readers).join(', ')}`, got: 'none' });
  return found;
}
