import { expect, fail, show } from '../expect.ts';
import { bytesOf, dtypes, sizeOf, Tensor, tensorFrom, type DType, type Shape, type TensorData } from '../tensor.ts';
import { bytesFrom, ownBuffer, widenBrain, widenHalf } from './bytes.ts';
import { isRecord, parseJson } from './json.ts';

// An u64 length N, N bytes of JSON, then the bytes of the tensors without a gap: { name: { dtype, shape, data_offsets: [begin, end] } },
// offsets from the end of the header, and `__metadata__`, texts by name. https://huggingface.co/docs/safetensors

const where = 'safetensors file';
const METADATA = '__metadata__';
/** What the reference implementation allows. */
const MOST_HEADER = 100_000_000;
/** The data begins at a multiple of this, so that tensors can be views. */
const ALIGNMENT = 8;

interface Kind {
  readonly type: DType;
  /** Bytes of a stored element. */
  readonly width: number;
  /** From stored elements to ours; absent: they are the same. */
  readonly convert?: (stored: ArrayBuffer) => TensorData;
}

/** Element types by their names in the file. */
const kinds: Readonly<Record<string, Kind>> = {
  F64: { type: 'float64', width: 8 },
  F32: { type: 'float32', width: 4 },
  F16: { type: 'float32', width: 2, convert: (stored) => widenHalf(new Uint16Array(stored)) },
  BF16: { type: 'float32', width: 2, convert: (stored) => widenBrain(new Uint16Array(stored)) },
  I64: { type: 'int64', width: 8 },
  U64: { type: 'uint64', width: 8 },
  I32: { type: 'int32', width: 4 },
  U32: { type: 'uint32', width: 4 },
  I16: { type: 'int16', width: 2 },
  U16: { type: 'uint16', width: 2 },
  I8: { type: 'int8', width: 1 },
  U8: { type: 'uint8', width: 1 },
  BOOL: { type: 'bool', width: 1, convert: (stored) => new Uint8Array(stored).map((byte) => (byte ? 1 : 0)) },
};

export interface Safetensors {
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly kind: string;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);

/** Whether bytes begin as a safetensors file does: the brace of its header behind a length. */
export const looksLikeSafetensors = (bytes: Uint8Array): boolean => bytes[8] === '{'.charCodeAt(0);

function headerLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 9) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
}

function headerOf(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  const length = headerLength(bytes) ?? 0;
  expect(length >= 2 && length <= MOST_HEADER && length <= bytes.length - 8, {
    kind: 'file', where, needs: `a header of 2 to ${Math.max(0, Math.min(MOST_HEADER, bytes.length - 8))} bytes`,
    got: bytes.length < 8 ? `${bytes.length} bytes in all` : `${length}`,
  });
  const header = parseJson(textOf(bytes.subarray(8, 8 + length)), `${where}, header`);
  if (!isRecord(header)) return fail({ kind: 'file', where, needs: 'a header that is an object', got: show(JSON.stringify(header)) });
  return { header, data: bytes.subarray(8 + length) };
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail({ kind: 'file', where, needs: 'a header in UTF-8', got: show(cause), cause });
  }
}

function entryOf(name: string, value: unknown): Entry {
  const place = `${where}, ${show(name)}`;
  const { dtype, shape, data_offsets: offsets } = (isRecord(value) ? value : {}) as Record<string, unknown>;
  const whole = typeof dtype === 'string' && isCounts(shape) && isCounts(offsets) && offsets.length === 2;
  if (!whole) return fail({ kind: 'file', where: place, needs: 'dtype, shape and two data_offsets', got: show(JSON.stringify(value)) });
  expect(Object.hasOwn(kinds, dtype), {
    kind: 'unsupported', where: place, needs: `a dtype of ${Object.keys(kinds).join(', ')}`, got: show(dtype),
  });
  const needs = sizeOf(shape) * kinds[dtype].width, [begin, end] = offsets;
  expect(end - begin === needs, {
    kind: 'file', where: `${place} ${dtype} [${shape.join(', ')}]`, needs: `${needs} bytes`, got: `${end - begin}`,
  });
  return { name, kind: dtype, shape, begin, end };
}

/** In the order of their data, which they cover without a gap and without sharing a byte. */
function entriesOf(header: Record<string, unknown>, dataBytes: number): Entry[] {
  const names = Object.keys(header).filter((name) => name !== METADATA);
  const entries = names.map((name) => entryOf(name, header[name])).sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    expect(begin === at, { kind: 'file', where: `${where}, ${show(name)}`, needs: `data from byte ${at} on`, got: `${begin}` });
    at = end;
  }
  expect(at === dataBytes, { kind: 'file', where, needs: `${at} bytes of data`, got: `${dataBytes}` });
  return entries;
}

function metadataOf(header: Record<string, unknown>): Record<string, string> {
  const metadata = Object.hasOwn(header, METADATA) ? header[METADATA] : {};
  const isTexts = isRecord(metadata) && Object.values(metadata).every((value) => typeof value === 'string');
  return isTexts ? metadata as Record<string, string>
    : fail({ kind: 'file', where: `${where}, ${METADATA}`, needs: 'texts by name', got: show(JSON.stringify(metadata)) });
}

function tensorOf({ kind, shape, begin, end }: Entry, data: Uint8Array): Tensor {
  const { type, width, convert } = kinds[kind], stored = data.subarray(begin, end);
  if (convert) return new Tensor(type, convert(ownBuffer(stored)), shape);
  const aligned = stored.byteOffset % width === 0;
  const [buffer, offset] = aligned ? [stored.buffer as ArrayBuffer, stored.byteOffset] : [ownBuffer(stored), 0];
  return new Tensor(type, new dtypes[type](buffer, offset, stored.length / width) as TensorData, shape);
}

/**
 * The tensors and texts of a safetensors file. F16 and BF16 are widened to float32; other tensors are views of `file` where they are
 * aligned, so keep the bytes as they are.
 * @throws BurinError `argument` for what are no bytes, `file` for bytes that are not one (a header that is no JSON or has a name twice,
 * offsets that overlap, leave a gap or do not fit the shape), `unsupported` for other element types, `limit` for more than 2^32 elements
 */
export function readSafetensors(file: Uint8Array | ArrayBuffer): Safetensors {
  const bytes = bytesFrom(file, where);
  const { header, data } = headerOf(bytes);
  const metadata = metadataOf(header), entries = entriesOf(header, data.length);
  return { tensors: new Map(entries.map((entry) => [entry.name, tensorOf(entry, data)])), metadata };
}

const namesOfKinds = new Map(Object.entries(kinds).filter(([, { convert, type }]) => !convert || type === 'bool')
  .map(([name, { type }]) => [type, name]));

/**
 * The bytes of a safetensors file. Wider elements come first, so that every tensor is aligned; within a width the order is kept.
 * @throws BurinError `argument` for what are no tensors or texts by name and a tensor called `__metadata__`, `limit` for a header beyond
 * what readers accept
 */
export function writeSafetensors(tensors: ReadonlyMap<string, Tensor>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  expect(tensors instanceof Map, { kind: 'argument', where, needs: 'a Map of tensors by name', got: show(tensors) });
  const texts = isRecord(metadata) && Object.values(metadata).every((value) => typeof value === 'string');
  expect(texts, { kind: 'argument', where: `${where}, metadata`, needs: 'texts by name', got: show(metadata) });
  const checked = Array.from(tensors, ([name, tensor]): [string, Tensor] => [name, tensorFrom(tensor, `${where}, ${show(name)}`)]);
  const entries = checked.sort(([, a], [, b]) => bytesOf(b.type) - bytesOf(a.type));
  const fields = Object.keys(metadata).length ? [`"${METADATA}":${JSON.stringify(metadata)}`] : [];
  let size = 0;
  for (const [name, { type, dims, data }] of entries) {
    expect(name !== METADATA, { kind: 'argument', where, needs: `a tensor of another name than ${METADATA}`, got: show(name) });
    const offsets = [size, size += data.byteLength];
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: namesOfKinds.get(type), shape: dims, data_offsets: offsets })}`);
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const length = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  expect(length <= MOST_HEADER, { kind: 'limit', where, needs: `a header of at most ${MOST_HEADER} bytes`, got: `${length}` });
  const bytes = new Uint8Array(8 + length + size);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.fill(' '.charCodeAt(0), 8 + text.length, 8 + length).set(text, 8);
  let at = 8 + length;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
