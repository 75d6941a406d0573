import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { readNpy, writeNpy } from '../../src/io/npy.ts';
import { dtypes, sizeOf, Tensor, type DType, type TensorData } from '../../src/tensor.ts';

/** As numpy.save writes numpy.arange(3, dtype='<f4'). */
const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
const file = (header = head, data: number[] = [0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64]): Uint8Array => {
  const text = `${header.padEnd(117)}\n`;
  return Uint8Array.from([
    0x93, ...[...'NUMPY'].map((c) => c.charCodeAt(0)), 1, 0, text.length, 0, ...[...text].map((c) => c.charCodeAt(0)), ...data,
  ]);
};

test('reads what NumPy writes', () => {
  const tensor = readNpy(file());
  assert.is(tensor.type, 'float32');
  assert.equal([tensor.dims, [...tensor.data as Float32Array]], [[3], [0, 1, 2]]);
});

test('reads Fortran order, as NumPy saves a transposed array, and float16', () => {
  // numpy.save of numpy.arange(6, dtype='u1').reshape(2, 3), of the same in Fortran order, and of float16 [0, 1, -2, 65504].
  const u1 = head.replace('<f4', '|u1').replace('(3,)', '(2, 3)');
  assert.equal([...readNpy(file(u1, [0, 1, 2, 3, 4, 5])).data], [0, 1, 2, 3, 4, 5]);
  const turned = readNpy(file(u1.replace('False', 'True'), [0, 3, 1, 4, 2, 5]));
  assert.equal([turned.dims, [...turned.data]], [[2, 3], [0, 1, 2, 3, 4, 5]]);
  assert.equal([...readNpy(file(head.replace('False', 'True'))).data], [0, 1, 2]);
  const half = readNpy(file(head.replace('<f4', '<f2').replace('(3,)', '(4,)'), [0, 0, 0, 0x3c, 0, 0xc0, 0xff, 0x7b]));
  assert.equal([half.type, [...half.data]], ['float32', [0, 1, -2, 65504]]);
});

test('writes the same bytes as NumPy', () => {
  assert.equal(writeNpy(new Tensor('float32', [0, 1, 2], [3])), file());
});

test('every type and shape comes back', () => {
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  fc.assert(fc.property(fc.constantFrom(...Object.keys(dtypes) as DType[]), shape, (type, dims) => {
    const data = new dtypes[type](sizeOf(dims)) as TensorData;
    for (let i = 0; i < data.length; i++) data[i] = (typeof data[0] === 'bigint' ? BigInt(i) : i % 2) as never;
    const back = readNpy(writeNpy(new Tensor(type, data, dims)));
    assert.equal([back.type, back.dims, back.data], [type, dims, data]);
  }));
});

test('damaged or foreign bytes are refused with the place', () => {
  const refused: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /a NumPy file/],
    [file().subarray(0, 60), /a header of 118 bytes, got 50/],
    [file().subarray(0, 136), /\[3\] float32: needs 12 bytes of data, got 8/],
    [file(head.replace('<f4', '>f4')), /elements of <f4.*got '>f4'/],
    [file(head.replace('(3,)', '(9999999999, 9999999999)')), /at most 2\^32|bytes of data/],
    [file('{}'), /a shape in its header/],
  ];
  for (const [bytes, message] of refused) assert.throws(() => readNpy(bytes), message);
});

test('no bytes are trusted: any damage is a typed error or a tensor', () => {
  fc.assert(fc.property(fc.nat(139), fc.nat(255), (at, byte) => {
    const bytes = file();
    bytes[at] = byte;
    try {
      readNpy(bytes);
    } catch (error) {
      assert.is((error as Error).name, 'BurinError', String(error));
    }
  }));
});

test.run();
