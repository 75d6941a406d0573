import { ByteBuffer } from 'flatbuffers';
import { expect } from '../../expect.ts';

/** A flatbuffer being read. `left` is how many more values may be decoded: corrupt offsets can make vectors overlap without end. */
export interface Flat {
  readonly buffer: ByteBuffer;
  readonly bytes: Uint8Array;
  left: number;
}

/** Reads one field of a table; `at` is where it lies, undefined when the table leaves it out. */
export type Field<T> = (flat: Flat, at: number | undefined) => T;
type Fields = Readonly<Record<string, readonly [id: number, read: Field<unknown>]>>;
export type Decoded<F> = { readonly [K in keyof F]: F[K] extends readonly [number, Field<infer T>] ? T : never };

/** Decodes the root table. @throws BurinError `file` when an offset leads outside, `limit` when the file unfolds without end. */
export function decodeRoot<F extends Fields>(bytes: Uint8Array, identifier: string, fields: F): Decoded<F> {
  const flat: Flat = { buffer: new ByteBuffer(bytes), bytes, left: 8 * bytes.length };
  const found = String.fromCharCode(...bytes.subarray(4, 8));
  expect(found === identifier, {
    kind: 'file', where: 'tflite file byte 4', needs: `the identifier '${identifier}'`, got: JSON.stringify(found),
  });
  return decode(flat, follow(flat, 0), fields);
}

function need(flat: Flat, at: number, size: number): void {
  expect(at >= 0 && at + size <= flat.bytes.length, {
    kind: 'file', where: `tflite file byte ${at}`, needs: `${size} bytes inside the file`, got: `a file of ${flat.bytes.length} bytes`,
    remedy: 'the file is truncated or damaged',
  });
}

function spend(flat: Flat, count: number): void {
  flat.left -= count;
  expect(flat.left >= 0, {
    kind: 'limit', where: 'tflite file', needs: `at most ${8 * flat.bytes.length} values`, got: 'more',
    remedy: 'the file is damaged: its tables overlap',
  });
}

/** Where the offset at `at` points. */
function follow(flat: Flat, at: number): number {
  need(flat, at, 4);
  const target = at + flat.buffer.readUint32(at);
  need(flat, target, 4);
  return target;
}

function vectorAt(flat: Flat, at: number, width: number): { start: number; length: number } {
  const head = follow(flat, at);
  const length = flat.buffer.readUint32(head);
  need(flat, head + 4, length * width);
  return { start: head + 4, length };
}

function decode<F extends Fields>(flat: Flat, position: number, fields: F): Decoded<F> {
  const vtable = position - flat.buffer.readInt32(position);
  need(flat, vtable, 4);
  const size = flat.buffer.readUint16(vtable);
  need(flat, vtable, size);
  const record: Record<string, unknown> = {};
  for (const [name, [id, read]] of Object.entries(fields)) {
    spend(flat, 1);
    const slot = 4 + 2 * id;
    const offset = slot + 2 <= size ? flat.buffer.readUint16(vtable + slot) : 0;
    record[name] = read(flat, offset ? position + offset : undefined);
  }
  return record as Decoded<F>;
}

type Reader = 'readInt8' | 'readUint8' | 'readUint16' | 'readInt32' | 'readUint32' | 'readFloat32';

const scalar = (width: number, reader: Reader) => (otherwise = 0): Field<number> => (flat, at) => {
  if (at === undefined) return otherwise;
  need(flat, at, width);
  return flat.buffer[reader](at);
};
export const byte = scalar(1, 'readInt8');
export const ubyte = scalar(1, 'readUint8');
export const int = scalar(4, 'readInt32');
export const uint = scalar(4, 'readUint32');
export const float = scalar(4, 'readFloat32');
/** A 64-bit count or offset; beyond 2^53 it is rounded, which no file is long enough to notice. */
export const ulong: Field<number> = (flat, at) => {
  if (at === undefined) return 0;
  need(flat, at, 8);
  return Number(flat.buffer.readUint64(at));
};

const numbers = (width: number, reader: Reader): Field<number[] | undefined> => (flat, at) => {
  if (at === undefined) return undefined;
  const { start, length } = vectorAt(flat, at, width);
  spend(flat, length);
  return Array.from({ length }, (_, i) => flat.buffer[reader](start + i * width));
};
export const ubytes = numbers(1, 'readUint8');
export const ushorts = numbers(2, 'readUint16');
export const ints = numbers(4, 'readInt32');
export const floats = numbers(4, 'readFloat32');
export const longs: Field<number[] | undefined> = (flat, at) => {
  if (at === undefined) return undefined;
  const { start, length } = vectorAt(flat, at, 8);
  spend(flat, length);
  return Array.from({ length }, (_, i) => Number(flat.buffer.readInt64(start + i * 8)));
};

/** A view of the file, not a copy; empty when absent. */
export const bytes: Field<Uint8Array> = (flat, at) => {
  if (at === undefined) return new Uint8Array(0);
  const { start, length } = vectorAt(flat, at, 1);
  return flat.bytes.subarray(start, start + length);
};

const utf8 = new TextDecoder();
export const text: Field<string> = (flat, at) => {
  const raw = bytes(flat, at);
  spend(flat, raw.length);
  return utf8.decode(raw);
};

export const table = <F extends Fields>(fields: F): Field<Decoded<F> | undefined> => (flat, at) =>
  at === undefined ? undefined : decode(flat, follow(flat, at), fields);

export const tables = <F extends Fields>(fields: F): Field<Decoded<F>[]> => (flat, at) => {
  if (at === undefined) return [];
  const { start, length } = vectorAt(flat, at, 4);
  spend(flat, length);
  return Array.from({ length }, (_, i) => decode(flat, follow(flat, start + 4 * i), fields));
};

/** A table whose fields are only known later: `options(fields)` decodes it; absent, every field has its default. */
export type Late = <F extends Fields>(fields: F) => Decoded<F>;
export const late: Field<Late> = (flat, at) => (fields) => {
  if (at !== undefined) return decode(flat, follow(flat, at), fields);
  const defaults = Object.entries(fields).map(([name, [, read]]) => [name, read(flat, undefined)]);
  return Object.fromEntries(defaults) as Decoded<typeof fields>;
};
