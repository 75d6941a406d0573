import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { readNpz, writeNpz } from '../../src/io/npz.ts';
import { crc32, zip } from '../../src/io/zip.ts';
import { dtypes, sizeOf, Tensor, type DType, type TensorData } from '../../src/tensor.ts';
import { compressed, savez, streamed, zip64 } from './npz-files.ts';

const conv = { name: 'conv.weight', type: 'bool', dims: [2, 1, 2, 2], data: [1, 0, 0, 1, 0, 0, 1, 0] };
const dense = { name: 'dense/kernel:0', type: 'float32', dims: [2, 3], data: [0, 1.5, 0, -2, 0, 3] };
const listed = (tensors: ReadonlyMap<string, Tensor>) =>
  Array.from(tensors, ([name, { type, dims, data }]) => ({ name, type, dims, data: Array.from(data as Uint8Array) }));

const written: readonly (readonly [string, Uint8Array, readonly unknown[]])[] = [
  ['numpy.savez', savez, [conv, dense]],
  ['numpy.savez_compressed', compressed, [conv, dense]],
  ['a stream without sizes in front', streamed, [conv]],
  ['zip64', zip64, [conv]],
];
for (const [name, bytes, arrays] of written) {
  test(`reads what ${name} writes`, async () => assert.equal(listed(await readNpz(bytes)), arrays));
}

test('what was read and written again has the same arrays', async () => {
  assert.equal(listed(await readNpz(writeNpz(await readNpz(compressed)))), [conv, dense]);
});

test('CRC-32 by its published check values', () => {
  const of = (text: string): string => crc32(new TextEncoder().encode(text)).toString(16);
  assert.equal(['', 'a', '123456789', 'The quick brown fox jumps over the lazy dog'].map(of), ['0', 'e8b7be43', 'cbf43926', '414fa339']);
});

test('arrays of every type under any name come back', async () => {
  const shape = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
  const array = fc.tuple(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constantFrom(...Object.keys(dtypes) as DType[]), shape);
  await fc.assert(fc.asyncProperty(fc.uniqueArray(array, { selector: ([name]) => name, maxLength: 5 }), async (arrays) => {
    const tensors = new Map(arrays.map(([name, type, dims]) => {
      const data = new dtypes[type](sizeOf(dims)) as TensorData;
      for (let i = 0; i < data.length; i++) data[i] = (typeof data[0] === 'bigint' ? BigInt(i) : i % 2) as never;
      return [name, new Tensor(type, data, dims)] as const;
    }));
    assert.equal(await readNpz(writeNpz(tensors)), tensors);
  }), { seed: 1 });
});

test('what is no array is left out, an empty archive has none', async () => {
  const archive = (name: string): Uint8Array => zip(new Map([[name, new TextEncoder().encode('words')]]));
  assert.is((await readNpz(writeNpz(new Map()))).size, 0);
  assert.is((await readNpz(archive('readme.txt'))).size, 0);
  assert.match(await refused(archive('a.npy')), /file: npy file: needs a NumPy file, got other bytes/);
});

async function refused(bytes: Uint8Array, options?: { mostBytes: number }): Promise<string> {
  try {
    await readNpz(bytes, options);
    return 'nothing';
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
    return `${error.kind}: ${error.message}`;
  }
}

/** A copy with the little-endian number at `at`, counted from the end where negative, replaced. */
function patched(bytes: Uint8Array, at: number, value: number, width: 2 | 4 = 4): Uint8Array {
  const copy = bytes.slice(), view = new DataView(copy.buffer), place = at < 0 ? copy.length + at : at;
  if (width === 2) view.setUint16(place, value, true);
  else view.setUint32(place, value, true);
  return copy;
}

/** Where the first record of the directory is. */
const directory = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(bytes.length - 6, true);
const second = directory(savez) + 46 + 'conv.weight.npy'.length;

test('damaged, false and foreign archives are refused with the place', async () => {
  const at = directory(savez), packed = directory(compressed);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /file: zip file: needs at least 22 bytes/],
    [savez.subarray(0, savez.length - 1), /a record at its end, got none; it may have been cut off/],
    [savez.subarray(100), /needs an entry of the directory, got other bytes|the end of the file/],
    [patched(savez, -6, 2 ** 31), /byte 2147483648: needs an entry of the directory, got the end of the file/],
    [patched(savez, -12, 3, 2), /needs an entry of the directory/],
    [patched(savez, at + 8, 1, 2), /unsupported: .*'conv.weight.npy': needs an entry without a password/],
    [patched(savez, at + 10, 12, 2), /unsupported: .*compression method 12/],
    [patched(savez, at + 16, 1), /CRC-32 1/],
    [patched(savez, at + 24, 1e9), /needs a size that its bytes can have, got 1000000000 of 136/],
    [patched(patched(savez, at + 20, 1e9), at + 24, 1e9), /needs 1000000000 bytes/],
    [patched(savez, second + 42, 0), /entries that share no bytes/],
    [patched(savez, at + 20, 0xffffffff), /a zip64 field with its sizes/],
    [patched(savez, 100, 1), /CRC-32/],
    [patched(compressed, packed + 24, 100), /100 bytes when inflated, got more/],
    [patched(compressed, packed + 24, 200), /200 bytes when inflated, got 136/],
    [patched(compressed, packed + 24, 2e9), /a size that its bytes can have/],
    [patched(compressed, 65, 0xffffffff), /deflated bytes/],
    [zip(new Map([['a.npy', savez]])), /a NumPy file/],
  ];
  for (const [bytes, message] of cases) assert.match(await refused(bytes), message);
  assert.match(await refused(savez, { mostBytes: 200 }), /limit: npz file: needs at most 200 bytes of arrays, got 288/);
});

test('two entries of one name are refused', async () => {
  const twice = zip(new Map([['aa.npy', savez], ['ab.npy', savez]]));
  for (let i = 0; i < twice.length - 2; i++) if (twice[i] === 97 && twice[i + 1] === 98 && twice[i + 2] === 46) twice[i + 1] = 97;
  assert.match(await refused(twice), /every name once/);
});

test('no bytes are trusted: any damage is a typed error or arrays, soon', async () => {
  const change = fc.record({ at: fc.nat(1000), byte: fc.nat(255) });
  const survives = async (bytes: Uint8Array): Promise<void> => {
    const start = performance.now();
    await refused(bytes);
    assert.ok(performance.now() - start < 1000);
  };
  await fc.assert(fc.asyncProperty(fc.constantFrom(savez, compressed, streamed, zip64), fc.array(change, { minLength: 1, maxLength: 5 }),
    fc.option(fc.nat(1000)), async (file, changes, cut) => {
      const bytes = file.slice(0, cut === null ? undefined : cut % file.length);
      for (const { at, byte } of changes) if (bytes.length) bytes[at % bytes.length] = byte;
      await survives(bytes);
    }), { numRuns: 1000, seed: 2 });
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), survives), { seed: 3 });
});

test.run();
