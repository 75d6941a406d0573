import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import { dtypes, sizeOf, Tensor, type DType, type TensorData } from '../../src/tensor.ts';
import { mixed } from './safetensors-files.ts';

/** A file by the letter of the format: u64 length, header, data. */
function file(header: string | Uint8Array, data: readonly number[] = [], length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: readonly unknown[], ...data_offsets: unknown[]): unknown => ({ dtype, shape, data_offsets });
const fileOf = (header: Record<string, unknown>, data: readonly number[] = []): Uint8Array => file(JSON.stringify(header), data);
const valuesOf = (bytes: Uint8Array): unknown[] =>
  Array.from(readSafetensors(bytes).tensors, ([name, { type, dims, data }]) => [name, type, dims, Array.from(data as Uint8Array)]);

test('reads what the reference implementation writes', () => {
  assert.equal(valuesOf(mixed),
    [['i', 'int64', [], [7n]], ['w', 'float32', [2, 3], [0, 1, 2, 3, 4, 5]], ['h', 'float32', [2], [1.5, -2]], ['b', 'bool', [2], [1, 0]]]);
  assert.equal(readSafetensors(mixed).metadata, { format: 'np' });
});

test('reads the example of the format: one I32 [2, 2]', () => {
  // The bytes in the documentation of the Rust crate.
  const bytes = file('{"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}}', new Array<number>(16).fill(0));
  assert.equal(valuesOf(bytes), [['test', 'int32', [2, 2], [0, 0, 0, 0]]]);
});

const stored: readonly (readonly [string, DType, readonly number[], number | bigint])[] = [
  ['F64', 'float64', [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], 1.5],
  ['F32', 'float32', [0, 0, 0xc0, 0x3f], 1.5],
  ['F16', 'float32', [0x00, 0x3e], 1.5],
  ['F16', 'float32', [0x01, 0x00], 2 ** -24],
  ['BF16', 'float32', [0xc0, 0x3f], 1.5],
  ['I64', 'int64', [0xfe, 255, 255, 255, 255, 255, 255, 255], -2n],
  ['U64', 'uint64', [255, 255, 255, 255, 255, 255, 255, 255], 2n ** 64n - 1n],
  ['I32', 'int32', [0xfe, 255, 255, 255], -2],
  ['U32', 'uint32', [255, 255, 255, 255], 2 ** 32 - 1],
  ['I16', 'int16', [0xfe, 255], -2],
  ['U16', 'uint16', [0xfe, 255], 65534],
  ['I8', 'int8', [0xfe], -2],
  ['U8', 'uint8', [0xfe], 254],
  ['BOOL', 'bool', [1], 1],
  ['BOOL', 'bool', [7], 1],
];
for (const [kind, type, bytes, value] of stored) {
  test(`${kind} ${bytes}`, () => {
    // Once at the beginning and once behind a byte, where it is not aligned; once as a scalar.
    const at = 1 + bytes.length;
    const header = { a: entry('U8', [1], 0, 1), b: entry(kind, [1], 1, at), c: entry(kind, [], at, at + bytes.length) };
    assert.equal(valuesOf(fileOf(header, [9, ...bytes, ...bytes])),
      [['a', 'uint8', [1], [9]], ['b', type, [1], [value]], ['c', type, [], [value]]]);
  });
}

test('the order is that of the data, whatever the header has; texts come along', () => {
  const [a, b, empty] = [entry('U8', [1], 0, 1), entry('U8', [2], 1, 3), entry('F32', [0, 3], 3, 3)];
  const header = { b, __metadata__: { format: 'pt' }, a, empty };
  const { tensors, metadata } = readSafetensors(fileOf(header, [1, 2, 3]));
  assert.equal([...tensors.keys()], ['a', 'b', 'empty']);
  assert.equal(metadata, { format: 'pt' });
  assert.equal(tensors.get('empty')!.dims, [0, 3]);
});

test('writes an aligned header and aligned tensors', () => {
  const tensors = new Map([['x', new Tensor('bool', [1])], ['y', new Tensor('float32', [1.5, -1])], ['z', new Tensor('int64', [3])]]);
  const bytes = writeSafetensors(tensors, { format: 'pt' }), length = new DataView(bytes.buffer).getUint32(0, true);
  assert.is(length % 8, 0);
  assert.equal(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), {
    __metadata__: { format: 'pt' },
    z: entry('I64', [1], 0, 8), y: entry('F32', [2], 8, 16), x: entry('BOOL', [1], 16, 17),
  });
  const { buffer } = readSafetensors(bytes).tensors.get('y')!.data;
  assert.is(buffer, bytes.buffer, 'a view, not a copy');
  assert.throws(() => writeSafetensors(new Map([['__metadata__', new Tensor('bool', [1])]])), /another name than __metadata__/);
});

const one = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['no bytes', new Uint8Array(0), /file: .*header of 2 to 0 bytes, got 0 bytes in all/],
  ['a length beyond the file', file('{}', [], 3n), /header of 2 to 2 bytes, got 3/],
  ['a huge length', file('{}', [], 2n ** 64n - 1n), /header of 2 to 2 bytes, got 1844674407370955/],
  ['no JSON', file('{"a"'), /file: .*needs JSON/],
  ['no object', file('[]'), /a header that is an object/],
  ['no UTF-8', file(Uint8Array.of(0x7b, 0xff, 0x7d)), /UTF-8/],
  ['a name twice', file(`{"a":${one},"\\u0061":${one}}`, [1]), /every key once.*got 'a' twice/],
  ['a key twice inside', file('{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', [1]), /'shape' twice/],
  ['an unknown type', fileOf({ a: entry('F8_E4M3', [1], 0, 1) }, [1]), /unsupported: .*a dtype of F64.*got 'F8_E4M3'/],
  ['a type of the prototype', fileOf({ a: entry('constructor', [1], 0, 1) }, [1]), /unsupported/],
  ['no shape', fileOf({ a: { dtype: 'U8', data_offsets: [0, 1] } }, [1]), /dtype, shape and two data_offsets/],
  ['a negative dimension', fileOf({ a: entry('U8', [-1], 0, 1) }, [1]), /dtype, shape/],
  ['offsets of text', fileOf({ a: entry('U8', [1], '0', 1) }, [1]), /dtype, shape/],
  ['a shape beyond the bytes', fileOf({ a: entry('F32', [2 ** 30, 2 ** 30], 0, 4) }, [1, 2, 3, 4]), /bytes, got 4/],
  ['offsets that go back', fileOf({ a: entry('U8', [1], 1, 0) }, [1]), /1 bytes, got -1/],
  ['a gap', fileOf({ a: entry('U8', [1], 1, 2) }, [1, 2]), /data from byte 0 on, got 1/],
  ['shared bytes', fileOf({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 1, 3) }, [1, 2, 3]), /'b': needs data from byte 2 on, got 1/],
  ['bytes left over', fileOf({ a: entry('U8', [1], 0, 1) }, [1, 2]), /1 bytes of data, got 2/],
  ['bytes missing', fileOf({ a: entry('U8', [3], 0, 3) }, [1, 2]), /3 bytes of data, got 2/],
  ['numbers as texts', fileOf({ __metadata__: { n: 1 } }), /texts by name/],
  ['too many elements', fileOf({ a: entry('U8', [0, 2 ** 33], 0, 0), b: entry('U8', [2 ** 33], 0, 2 ** 33) }), /bytes of data/],
];
for (const [name, bytes, message] of refused) {
  test(`refused: ${name}`, () => {
    const expected = (error: unknown): boolean => error instanceof BurinError && message.test(`${error.kind}: ${error.message}`);
    assert.throws(() => readSafetensors(bytes), expected);
  });
}

test('tensors and texts come back', () => {
  const shape = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
  const name = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => text !== '__metadata__');
  const tensor = fc.tuple(name, fc.constantFrom(...Object.keys(dtypes) as DType[]), shape);
  const texts = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true, maxKeys: 3 });
  fc.assert(fc.property(fc.uniqueArray(tensor, { selector: ([key]) => key, maxLength: 6 }), texts, (list, metadata) => {
    const tensors = new Map(list.map(([key, type, dims]) => {
      const data = new dtypes[type](sizeOf(dims)) as TensorData;
      for (let i = 0; i < data.length; i++) data[i] = (typeof data[0] === 'bigint' ? BigInt(i) : i % 2) as never;
      return [key, new Tensor(type, data, dims)] as const;
    }));
    const back = readSafetensors(writeSafetensors(tensors, metadata));
    assert.equal([back.tensors.size, back.metadata], [tensors.size, metadata]);
    for (const [key, own] of tensors) assert.equal(back.tensors.get(key), own);
  }), { seed: 1, numRuns: 300 });
});

/** Whatever the bytes are: tensors or one of our own errors, soon. */
function survives(bytes: Uint8Array): void {
  const start = performance.now();
  try {
    readSafetensors(bytes);
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
  }
  assert.ok(performance.now() - start < 1000);
}

test('no bytes are trusted', () => {
  const whole = writeSafetensors(new Map([['a', new Tensor('float32', [1, 2, 3])], ['b', new Tensor('bool', [1, 0])]]), { format: 'pt' });
  const change = fc.record({ at: fc.nat(1000), byte: fc.nat(255) });
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(1000)), (changes, cut) => {
    const bytes = whole.slice(0, cut === null ? undefined : cut % whole.length);
    for (const { at, byte } of changes) if (bytes.length) bytes[at % bytes.length] = byte;
    survives(bytes);
  }), { seed: 2, numRuns: 3000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), survives), { seed: 3 });
  fc.assert(fc.property(fc.json(), (text) => survives(file(text))), { seed: 4, numRuns: 300 });
  survives(file('['.repeat(5_000_000)));
  survives(file(`{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`));
});

test.run();
