import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../src/expect.ts';
import { arrayFrom, Tensor, tensorFrom } from '../src/tensor.ts';

const refused: Readonly<Record<string, readonly [() => unknown, ErrorKind, RegExp]>> = {
  'no data': [() => new Tensor('float32', undefined as never), 'argument', /needs a Float32Array or a list of numbers, got undefined/],
  'null': [() => new Tensor('float32', null as never), 'argument', /got null/],
  'null with dims': [() => new Tensor('float32', null as never, [1]), 'argument', /got null/],
  'a number': [() => new Tensor('float32', 1 as never), 'argument', /got number/],
  'an array of another type': [() => new Tensor('float32', new Int8Array(1) as never), 'dtype', /needs Float32Array, got Int8Array/],
  'a type nobody knows': [() => new Tensor('float8' as never, [1]), 'dtype', /one of float32, .*got 'float8'/],
  'too few elements': [() => new Tensor('float32', [1, 2], [3]), 'shape', /3 elements, got 2/],
  'dims that are no list': [() => new Tensor('float32', [1], 1 as never), 'shape', /a list of dimensions, got 1/],
  'half of a 64-bit integer': [() => new Tensor('int64', [1.5]), 'dtype', /Tensor int64: needs whole numbers, got 1.5; round them/],
  'a 64-bit integer NaN': [() => new Tensor('int64', [NaN]), 'dtype', /whole numbers, got NaN/],
  'half of an unsigned one': [() => arrayFrom('uint64', [0.5]), 'dtype', /Tensor uint64: needs whole numbers/],
  'half of one of another library': [() => tensorFrom({ type: 'int64', dims: [1], data: [1.5] }, 'x'), 'dtype', /whole numbers/],
};
for (const [name, [action, kind, text]] of Object.entries(refused)) {
  test(`${name} is refused`, () => {
    assert.throws(action, (error: unknown) => error instanceof BurinError && error.kind === kind && text.test(error.message));
  });
}

test('plain numbers become the elements of any type', () => {
  assert.equal(new Tensor('int64', [1, -2]).data, BigInt64Array.of(1n, -2n));
  assert.equal(new Tensor('uint64', [2 ** 40]).data, BigUint64Array.of(2n ** 40n));
  assert.equal(new Tensor('float32', [1.5], []).dims, []);
  assert.equal(new Tensor('bool', [0, 1]).data, Uint8Array.of(0, 1));
});

test.run();
