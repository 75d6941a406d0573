import { create, toBinary } from '@bufbuild/protobuf';
import { TensorProto_DataLocation, TensorProto_DataType as Kind, TensorProtoSchema, type TensorProto } from 'onnx-buf';
import { expect, fail } from '../../expect.ts';
import { sizeOf, Tensor, type DType, type TensorData } from '../../tensor.ts';
import { ownBuffer, widenBrain, widenHalf } from '../bytes.ts';
import { externalBytes, type External } from './external.ts';
import { decode } from './proto.ts';

/** How an element type of the file is stored there, and what becomes of it here. */
interface Storage {
  readonly type: DType;
  /** The array of the stored elements. */
  readonly stored: { readonly BYTES_PER_ELEMENT: number; from(values: never): TensorData; new (buffer: ArrayBuffer): TensorData };
  /** Where the elements are when not in `rawData`. */
  readonly field: 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';
  /** From the stored elements to ours; absent: they are the same. */
  readonly convert?: (stored: never) => TensorData;
}

const storages: Readonly<Record<number, Storage>> = {
  [Kind.FLOAT]: { type: 'float32', stored: Float32Array, field: 'floatData' },
  [Kind.FLOAT16]: { type: 'float32', stored: Uint16Array, field: 'int32Data', convert: widenHalf },
  [Kind.BFLOAT16]: { type: 'float32', stored: Uint16Array, field: 'int32Data', convert: widenBrain },
  [Kind.DOUBLE]: { type: 'float32', stored: Float64Array, field: 'doubleData', convert: (d: Float64Array) => new Float32Array(d) },
  [Kind.INT8]: { type: 'int8', stored: Int8Array, field: 'int32Data' },
  [Kind.UINT8]: { type: 'uint8', stored: Uint8Array, field: 'int32Data' },
  [Kind.INT16]: { type: 'int16', stored: Int16Array, field: 'int32Data' },
  [Kind.UINT16]: { type: 'uint16', stored: Uint16Array, field: 'int32Data' },
  [Kind.INT32]: { type: 'int32', stored: Int32Array, field: 'int32Data' },
  [Kind.UINT32]: { type: 'uint32', stored: Uint32Array, field: 'uint64Data', convert: narrow },
  [Kind.INT64]: { type: 'int64', stored: BigInt64Array, field: 'int64Data' },
  [Kind.UINT64]: { type: 'uint64', stored: BigUint64Array, field: 'uint64Data' },
  [Kind.BOOL]: { type: 'bool', stored: Uint8Array, field: 'int32Data', convert: (stored: Uint8Array) => stored.map((v) => (v ? 1 : 0)) },
};

/** uint32 is stored as 4 bytes in `rawData` but as 8 in its typed field. */
function narrow(stored: Uint32Array | BigUint64Array): Uint32Array {
  return stored instanceof Uint32Array ? stored : Uint32Array.from(stored, Number);
}

/** Our element type for one of the file; float16, bfloat16 and double become float32. */
export function dtypeOf(kind: number, where: string): DType {
  return storageOf(kind, where).type;
}

/** The number by which the file calls one of our element types. */
export const kinds: Readonly<Record<DType, number>> = {
  float32: Kind.FLOAT, float64: Kind.DOUBLE, int8: Kind.INT8, uint8: Kind.UINT8, int16: Kind.INT16, uint16: Kind.UINT16,
  int32: Kind.INT32, uint32: Kind.UINT32, int64: Kind.INT64, uint64: Kind.UINT64, bool: Kind.BOOL,
};

function storageOf(kind: number, where: string): Storage {
  if (Object.hasOwn(storages, kind)) return storages[kind];
  const names = Object.keys(storages).map((k) => Kind[Number(k)]);
  return fail({ kind: 'unsupported', where, needs: `an element type of ${names.join(', ')}`, got: Kind[kind] ?? `type ${kind}` });
}

/** Dimensions of the file, checked; nothing is allocated by them. */
export function dimsOf(dims: readonly bigint[], where: string): number[] {
  const shape = dims.map(Number);
  const sane = shape.every((dim) => dim >= 0) && sizeOf(shape) <= 2 ** 32;
  expect(sane, { kind: 'file', where, needs: 'dimensions of 0 or more that make at most 2^32 elements', got: `[${shape}]` });
  return shape;
}

/** A tensor of the file as one of ours. Its size is checked against the bytes at hand before memory is taken. */
export function tensorOf(proto: TensorProto, where: string, external?: External): Tensor {
  const place = `${where} ${proto.name ? `'${proto.name}' ` : ''}[${proto.dims}]`;
  const storage = storageOf(proto.dataType, place);
  const dims = dimsOf(proto.dims, place);
  expect(!proto.segment, { kind: 'unsupported', where: place, needs: 'a whole tensor', got: 'a segment of one' });
  const stored = storedElements(proto, storage, { size: sizeOf(dims), place, external });
  return new Tensor(storage.type, storage.convert ? storage.convert(stored as never) : stored, dims);
}

function storedElements(proto: TensorProto, storage: Storage, need: { size: number; place: string; external?: External }): TensorData {
  const { size, place } = need;
  const field = proto[storage.field];
  const outside = proto.dataLocation === TensorProto_DataLocation.EXTERNAL;
  const raw = outside ? externalBytes(proto.externalData, need.external, place) : proto.rawData;
  if (!outside && raw.length === 0) {
    expect(field.length === size, { kind: 'file', where: place, needs: `${size} elements`, got: `${field.length}` });
    return storage.field === 'uint64Data' ? BigUint64Array.from(field as bigint[]) : storage.stored.from(field as never);
  }
  const needed = size * storage.stored.BYTES_PER_ELEMENT;
  expect(raw.length === needed, { kind: 'file', where: place, needs: `${needed} bytes`, got: `${raw.length}` });
  return new storage.stored(ownBuffer(raw));
}

/** Our tensor as one of the file, its elements as raw bytes. */
export function tensorProto(tensor: Tensor, name = ''): TensorProto {
  const { buffer, byteOffset, byteLength } = tensor.data;
  const rawData = new Uint8Array(ownBuffer(new Uint8Array(buffer, byteOffset, byteLength)));
  return create(TensorProtoSchema, { name, dataType: kinds[tensor.type], dims: tensor.dims.map(BigInt), rawData });
}

/** The tensor in the bytes of a TensorProto, the `.pb` files beside ONNX test models. @throws BurinError `file`, `unsupported`. */
export function readTensorProto(bytes: Uint8Array): Tensor {
  return tensorOf(decode(TensorProtoSchema, bytes, 'tensor file'), 'tensor file');
}

/** The bytes of a TensorProto. */
export function writeTensorProto(tensor: Tensor, name = ''): Uint8Array {
  return toBinary(TensorProtoSchema, tensorProto(tensor, name));
}
