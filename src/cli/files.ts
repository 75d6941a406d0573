import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, fail, show } from '../expect.ts';

/** Files beyond this are refused before they are read: no typed array of ours could hold their weights. */
const mostBytes = 2 ** 31;

/** The bytes of a file. @throws BurinError `file` when it cannot be read, `limit` when it is larger than 2 GiB */
export async function readBytes(path: string): Promise<Uint8Array> {
  const trouble = (cause: unknown): never => fail({ kind: 'file', where: path, needs: 'a file that can be read', got: show(cause), cause });
  const info = await stat(path).catch(trouble);
  expect(info.isFile(), { kind: 'file', where: path, needs: 'a file', got: info.isDirectory() ? 'a folder' : 'something else' });
  expect(info.size <= mostBytes, { kind: 'limit', where: path, needs: 'at most 2 GiB', got: `${(info.size / 2 ** 30).toFixed(1)} GiB` });
  const bytes = await readFile(path).catch(trouble);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a file, or says what is in the way. */
export async function write(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content).catch((cause) => fail({ kind: 'file', where: path, needs: 'a file that can be written', got: show(cause), cause }));
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((cause) => fail({ kind: 'file', where: path, needs: 'a folder to write to', got: show(cause), cause }));
}

/** Asks before minutes of work whether its result can be put down. */
export async function expectFolders(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path) await access(dirname(path)).catch((cause) => fail({ kind: 'file', where: path, needs: 'a folder that exists', got: show(cause), cause }));
  }
}
