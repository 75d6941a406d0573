import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BurinError, expect, fail, show } from '../expect.ts';

/** Files beyond this are refused before they are read: no typed array of ours could hold their weights. */
const mostBytes = 2 ** 31;

/** The bytes of a file. @throws BurinError `file` when it cannot be read, `limit` when it is larger than 2 GiB */
export async function readBytes(path: string): Promise<Uint8Array> {
  const unread = trouble(path, 'a file that can be read');
  const info = await stat(path).catch(unread);
  expect(info.isFile(), { kind: 'file', where: path, needs: 'a file', got: info.isDirectory() ? 'a folder' : 'something else' });
  expect(info.size <= mostBytes, { kind: 'limit', where: path, needs: 'at most 2 GiB', got: `${(info.size / 2 ** 30).toFixed(1)} GiB` });
  const bytes = await readFile(path).catch(unread);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Turns what the system says about a path into an error of ours. */
const trouble = (path: string, needs: string) => (cause: unknown): never =>
  fail({ kind: 'file', where: path, needs, got: show(cause), cause });

/** Errors about what a file holds begin with its path. */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    return named(path, error);
  }
}

/** As {@link inFile}, of what takes its time. */
export async function inFileAsync<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return named(path, error);
  }
}

function named(path: string, error: unknown): never {
  if (!(error instanceof BurinError)) throw error;
  const { kind, where, needs, got, remedy } = error;
  return fail({ kind, where: `${path}: ${where}`, needs, got, remedy, cause: error });
}

/** Writes a file, or says what is in the way. */
export async function write(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content).catch(trouble(path, 'a file that can be written'));
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(trouble(path, 'a folder to write to'));
}

/** Asks before minutes of work whether its result can be put down. */
export async function expectFolders(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path) await access(dirname(path)).catch(trouble(path, 'a folder that exists'));
  }
}
