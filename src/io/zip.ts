import { expect, fail, show } from '../expect.ts';

// PKWARE APPNOTE 6.3.10. An archive is read from its end: the end record says where the directory is, the directory says where the
// entries are. Zip64 fields hold what 32 bits cannot.

const where = 'zip file';
const LOCAL = 0x04034b50, DIRECTORY = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50;
const END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, DIRECTORY_BYTES = 46, LOCAL_BYTES = 30;
/** The longest comment that may follow the end record. */
const MOST_COMMENT = 0xffff;
/** Stands in a 32-bit field whose value is in the zip64 extra field. */
const ELSEWHERE = 0xffffffff;
const ENCRYPTED = 1, UTF8 = 0x800;
const STORED = 0, DEFLATED = 8;
/** No deflate stream grows by more (258 bytes for 2 bits), so a larger claim is false. */
const MOST_GROWTH = 1032;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: Uint8Array;
  /** Bytes when unpacked, as the directory claims. */
  readonly size: number;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** An unsigned 64-bit number; beyond 2^53 it is rounded, and then larger than any file. */
const u64 = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= END_BYTES && [LOCAL, END].includes(viewOf(bytes).getUint32(0, true));
}

/** @throws BurinError `file` unless `length` bytes lie at `at` and begin with `mark` */
function expectRecord(view: DataView, at: number, { length, mark, what }: { length: number; mark: number; what: string }): void {
  const inside = Number.isSafeInteger(at) && at >= 0 && at + length <= view.byteLength;
  expect(inside && view.getUint32(at, true) === mark, {
    kind: 'file', where: `${where} byte ${at}`, needs: what, got: inside ? 'other bytes' : 'the end of the file',
  });
}

/** Where the directory is and how many entries it has. */
function directoryOf(view: DataView): { at: number; count: number } {
  let end = view.byteLength - END_BYTES;
  const least = Math.max(0, end - MOST_COMMENT);
  const isEnd = (at: number): boolean =>
    view.getUint32(at, true) === END && at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength;
  while (end >= least && !isEnd(end)) end--;
  expect(end >= least, { kind: 'file', where, needs: 'a record at its end', got: 'none', remedy: 'it may have been cut off' });
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || view.getUint32(locator, true) !== LOCATOR64) {
    return { at: view.getUint32(end + 16, true), count: view.getUint16(end + 10, true) };
  }
  const at = u64(view, locator + 8);
  expectRecord(view, at, { length: END64_BYTES, mark: END64, what: 'a zip64 end record' });
  return { at: u64(view, at + 48), count: u64(view, at + 32) };
}

/** Values of the zip64 extra field, in the order in which the entry's 32-bit fields say `ELSEWHERE`. */
function widened(fields: readonly number[], extra: Uint8Array, place: string): number[] {
  if (!fields.includes(ELSEWHERE)) return [...fields];
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    let next = at + 4;
    at = next + length;
    if (id !== 1 || at > extra.length) continue;
    const values = fields.map((field) => (field !== ELSEWHERE ? field : next + 8 <= at ? u64(view, (next += 8) - 8) : NaN));
    if (!values.some(Number.isNaN)) return values;
  }
  return fail({ kind: 'file', where: place, needs: 'a zip64 field with its sizes', got: 'none' });
}

/** One entry of the directory at `at`, and where the next one is. */
function entryAt(bytes: Uint8Array, view: DataView, at: number): { entry: ZipEntry; start: number; stop: number; next: number } {
  expectRecord(view, at, { length: DIRECTORY_BYTES, mark: DIRECTORY, what: 'an entry of the directory' });
  const [flags, method, crc] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
  const [names, extras, comments] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
  const nameAt = at + DIRECTORY_BYTES, next = nameAt + names + extras + comments;
  expect(next <= bytes.length, { kind: 'file', where: `${where} byte ${at}`, needs: 'a whole entry', got: 'the end of the file' });
  const name = new TextDecoder().decode(bytes.subarray(nameAt, nameAt + names));
  const place = `${where}, ${show(name)}`;
  expect((flags & ENCRYPTED) === 0, { kind: 'unsupported', where: place, needs: 'an entry without a password', got: 'an encrypted one' });
  expect(method === STORED || method === DEFLATED, {
    kind: 'unsupported', where: place, needs: 'a stored or deflated entry', got: `compression method ${method}`,
  });
  const fields = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
  const [size, packedSize, local] = widened(fields, bytes.subarray(nameAt + names, nameAt + names + extras), place);
  expectRecord(view, local, { length: LOCAL_BYTES, mark: LOCAL, what: `the entry ${show(name)}` });
  const start = local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true), stop = start + packedSize;
  expect(stop <= bytes.length, { kind: 'file', where: place, needs: `${packedSize} bytes`, got: `${Math.max(0, bytes.length - start)}` });
  const possible = method === STORED ? size === packedSize : size <= packedSize * MOST_GROWTH;
  expect(possible, { kind: 'file', where: place, needs: 'a size that its bytes can have', got: `${size} of ${packedSize}` });
  return { entry: { name, method, crc, size, packed: bytes.subarray(start, stop) }, start: local, stop, next };
}

/**
 * The entries of an archive, still packed, in the order of its directory.
 * @throws BurinError `file` for a damaged one, entries that share bytes or have one name; `unsupported` for encryption and for
 * compressions other than deflate
 */
export function zipEntries(bytes: Uint8Array): ZipEntry[] {
  const view = viewOf(bytes);
  expect(bytes.length >= END_BYTES, { kind: 'file', where, needs: `at least ${END_BYTES} bytes`, got: `${bytes.length}` });
  const directory = directoryOf(view), entries: ZipEntry[] = [], ranges: [start: number, stop: number][] = [];
  for (let i = 0, at = directory.at; i < directory.count; i++) {
    const { entry, start, stop, next } = entryAt(bytes, view, at);
    entries.push(entry);
    ranges.push([start, stop]);
    at = next;
  }
  ranges.sort((a, b) => a[0] - b[0]).forEach(([start], i) => {
    const before = i > 0 ? ranges[i - 1][1] : 0;
    expect(start >= before, {
      kind: 'file', where: `${where} byte ${start}`, needs: 'entries that share no bytes', got: `one up to ${before}`,
    });
  });
  const names = new Set(entries.map(({ name }) => name));
  expect(names.size === entries.length, { kind: 'file', where, needs: 'every name once', got: `${entries.length - names.size} again` });
  return entries;
}

/** The bytes of an entry; of a stored one they are a view. @throws BurinError `file` where they are not what the directory claims */
export async function unzip(entry: ZipEntry): Promise<Uint8Array> {
  const place = `${where}, ${show(entry.name)}`;
  const bytes = entry.method === STORED ? entry.packed : await inflate(entry, place);
  const crc = crc32(bytes);
  expect(crc === entry.crc, { kind: 'file', where: place, needs: `CRC-32 ${entry.crc.toString(16)}`, got: crc.toString(16) });
  return bytes;
}

function inflater(place: string): DecompressionStream {
  try {
    return new DecompressionStream('deflate-raw');
  } catch (cause) {
    return fail({ kind: 'unsupported', where: place, needs: 'a DecompressionStream of deflate-raw', got: show(cause), cause,
      remedy: 'run Node 20.12 or newer, or save with numpy.savez, which does not compress' });
  }
}

/** Takes no more memory than the entry claims, whatever the stream holds. */
async function inflate({ packed, size }: ZipEntry, place: string): Promise<Uint8Array> {
  const packedStream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
  const reader = packedStream.pipeThrough(inflater(place)).getReader(), out = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) =>
      fail({ kind: 'file', where: place, needs: 'deflated bytes', got: show(cause) || 'others', cause }));
    if (done) break;
    if (at + value.length > size) {
      await reader.cancel().catch(() => undefined);
      fail({ kind: 'file', where: place, needs: `${size} bytes when inflated`, got: 'more' });
    }
    out.set(value, at);
    at += value.length;
  }
  expect(at === size, { kind: 'file', where: place, needs: `${size} bytes when inflated`, got: `${at}` });
  return out;
}

/** Remainders of the polynomial of CRC-32 (reflected, 0xedb88320), for each byte and for that byte with one to three more behind it. */
const remainders: readonly Uint32Array[] = (() => {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0][byte] = crc;
  }
  for (let k = 1; k < 4; k++) for (let byte = 0; byte < 256; byte++) {
    const crc = tables[k - 1][byte];
    tables[k][byte] = (crc >>> 8) ^ tables[0][crc & 255];
  }
  return tables;
})();

/** CRC-32 as zip and gzip count it, four bytes a step. */
export function crc32(bytes: Uint8Array): number {
  const [one, two, three, four] = remainders;
  let crc = ~0, i = 0;
  for (const whole = bytes.length - 3; i < whole; i += 4) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc = four[crc & 255] ^ three[(crc >>> 8) & 255] ^ two[(crc >>> 16) & 255] ^ one[crc >>> 24];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ one[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}

/** Version 2.0 of the format: what a reader must know for stored entries. */
const VERSION = 20;
/** 1 January 1980, the first day the format can name: the same content gives the same bytes. */
const DATE = 0x21;

/** Writes what the local and the directory record of an entry share, from the version on. */
function writeCommon(view: DataView, at: number, { crc, size, nameBytes }: { crc: number; size: number; nameBytes: number }): void {
  view.setUint16(at, VERSION, true);
  view.setUint16(at + 2, UTF8, true);
  view.setUint16(at + 4, STORED, true);
  view.setUint16(at + 8, DATE, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, size, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, nameBytes, true);
}

/** An archive of stored entries. @throws BurinError `limit` beyond what a zip file without zip64 can say */
export function zip(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const entries = Array.from(files, ([name, bytes]) => ({ name: new TextEncoder().encode(name), bytes, crc: crc32(bytes) }));
  const sum = (each: (entry: (typeof entries)[number]) => number): number => entries.reduce((all, entry) => all + each(entry), 0);
  const directory = sum(({ name, bytes }) => LOCAL_BYTES + name.length + bytes.length);
  const end = directory + sum(({ name }) => DIRECTORY_BYTES + name.length);
  expect(entries.length < 0xffff && end < 2 ** 31 && entries.every(({ name }) => name.length < 0xffff), {
    kind: 'limit', where, needs: 'at most 65,534 entries and 2 GiB', got: `${entries.length} entries, ${end} bytes`,
  });
  const out = new Uint8Array(end + END_BYTES), view = viewOf(out);
  let [at, row] = [0, directory];
  for (const { name, bytes, crc } of entries) {
    const common = { crc, size: bytes.length, nameBytes: name.length };
    view.setUint32(at, LOCAL, true);
    writeCommon(view, at + 4, common);
    out.set(name, at + LOCAL_BYTES);
    out.set(bytes, at + LOCAL_BYTES + name.length);
    view.setUint32(row, DIRECTORY, true);
    view.setUint16(row + 4, VERSION, true);
    writeCommon(view, row + 6, common);
    view.setUint32(row + 42, at, true);
    out.set(name, row + DIRECTORY_BYTES);
    at += LOCAL_BYTES + name.length + bytes.length;
    row += DIRECTORY_BYTES + name.length;
  }
  view.setUint32(end, END, true);
  for (const offset of [8, 10]) view.setUint16(end + offset, entries.length, true);
  view.setUint32(end + 12, end - directory, true);
  view.setUint32(end + 16, directory, true);
  return out;
}
