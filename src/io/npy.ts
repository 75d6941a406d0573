import { expect, show } from '../expect.ts';
import { permuteTensor } from '../graph/permute.ts';
import { bytesOf, dtypes, sizeOf, Tensor, type DType, type Shape, type TensorData } from '../tensor.ts';
import { widenHalf } from './bytes.ts';

/** Element types by NumPy's names; all little-endian. */
const descriptions = {
  '<f4': 'float32', '<f8': 'float64', '|i1': 'int8', '|u1': 'uint8', '<i2': 'int16', '<u2': 'uint16',
  '<i4': 'int32', '<u4': 'uint32', '<i8': 'int64', '<u8': 'uint64', '|b1': 'bool',
} as const satisfies Record<string, DType>;

const magic = '\x93NUMPY';
const where = 'npy file';
/** The data begins at a multiple of this, as NumPy writes it. */
const alignment = 64;

/** float16, which is widened when read. */
const half = '<f2';

interface Header {
  readonly type: DType;
  readonly half: boolean;
  readonly dims: Shape;
  /** The first index runs fastest. */
  readonly fortran: boolean;
  /** Where the data begins, in bytes. */
  readonly start: number;
}

function headerText(bytes: Uint8Array): { text: string; start: number } {
  const known = bytes.length >= 12 && String.fromCharCode(...bytes.subarray(0, 6)) === magic;
  expect(known, { kind: 'file', where, needs: 'a NumPy file', got: 'other bytes' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [begin, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  expect(begin + length <= bytes.length, {
    kind: 'file', where: `${where} byte ${begin}`, needs: `a header of ${length} bytes`, got: `${bytes.length - begin}`,
  });
  return { text: new TextDecoder().decode(bytes.subarray(begin, begin + length)), start: begin + length };
}

function readHeader(bytes: Uint8Array): Header {
  const { text, start } = headerText(bytes);
  const description = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? '';
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  const types: Readonly<Record<string, DType>> = { ...descriptions, [half]: 'float32' };
  expect(shape !== undefined, { kind: 'file', where, needs: 'a shape in its header', got: show(text.trim()) });
  expect(Object.hasOwn(types, description), {
    kind: 'unsupported', where, needs: `elements of ${Object.keys(types).join(' ')}`, got: show(description),
  });
  const dims = shape.split(',').map((dim) => dim.trim()).filter((dim) => dim !== '').map(Number);
  const fortran = /'fortran_order':\s*True/.test(text) && dims.length > 1;
  return { type: types[description], half: description === half, dims, fortran, start };
}

/**
 * A tensor from the bytes of a NumPy `.npy` file. float16 is widened; Fortran order is turned into C order.
 * @throws BurinError `file` where they are damaged, `unsupported` for other types
 */
export function readNpy(bytes: Uint8Array): Tensor {
  const { type, half, dims, fortran, start } = readHeader(bytes);
  const [have, needs] = [bytes.length - start, sizeOf(dims) * (half ? 2 : bytesOf(type))];
  expect(have === needs, { kind: 'file', where: `${where} [${dims}] ${type}`, needs: `${needs} bytes of data`, got: `${have}` });
  const stored = bytes.slice(start).buffer as ArrayBuffer;
  const data = half ? widenHalf(new Uint16Array(stored)) : new dtypes[type](stored) as TensorData;
  if (!fortran) return new Tensor(type, data, dims);
  const last = dims.length - 1;
  return permuteTensor(new Tensor(type, data, dims.map((_, i) => dims[last - i])), dims.map((_, i) => last - i));
}

/** The bytes of a NumPy `.npy` file, version 1. */
export function writeNpy({ type, dims, data }: Tensor): Uint8Array {
  const description = Object.entries(descriptions).find(([, known]) => known === type)![0];
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const head = `{'descr': '${description}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + head.length + 1) / alignment) * alignment - 10;
  const bytes = new Uint8Array(10 + length + data.byteLength);
  bytes.set([...magic].map((letter) => letter.charCodeAt(0)));
  bytes.set([1, 0, length & 255, length >> 8], 6);
  bytes.set(new TextEncoder().encode(`${head.padEnd(length - 1)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + length);
  return bytes;
}
