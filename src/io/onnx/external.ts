import type { StringStringEntryProto } from 'onnx-buf';
import { expect, fail, show } from '../../expect.ts';

/** Gives the bytes of a file that lies beside the model, by its path relative to the model's folder. */
export type External = (path: string) => Uint8Array;

/** The bytes a tensor keeps outside the model file. @throws BurinError when there is no way to them, or none that is safe. */
export function externalBytes(entries: readonly StringStringEntryProto[], external: External | undefined, where: string): Uint8Array {
  const entry = (key: string) => entries.find((e) => e.key === key)?.value;
  const path = localPath(entry('location') ?? '', where);
  if (!external) {
    return fail({ kind: 'unsupported', where, needs: 'the data inside the model file', got: `external data in ${show(path)}`,
      remedy: 'pass options.external, which gives the bytes of that file, or save the model as one file' });
  }
  const file = external(path);
  expect(file instanceof Uint8Array, { kind: 'argument', where, needs: `${show(path)} as a Uint8Array`, got: show(file) });
  const offset = Number(entry('offset') ?? 0);
  const length = Number(entry('length') ?? file.length - offset);
  const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && offset + length <= file.length;
  const needs = `bytes within the ${file.length} of ${show(path)}`;
  expect(fits, { kind: 'file', where, needs, got: `offset ${offset}, length ${length}` });
  return file.subarray(offset, offset + length);
}

/** Drive letters and schemes, and characters that a URL parser drops or decodes into dots and slashes. */
const unsafe = /[:\x00-\x1f]|%2e|%2f|%5c/i;

/** A path that stays inside the model's folder, so that a model cannot read what is not its own. */
function localPath(path: string, where: string): string {
  const parts = path.split(/[/\\]/);
  const local = path !== '' && parts[0] !== '' && !parts.includes('..') && !unsafe.test(path);
  expect(local, { kind: 'file', where, needs: "external data inside the model's own folder", got: show(path) });
  return path;
}
