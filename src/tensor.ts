import { expect, fail, show } from './expect.ts';

/** Element types and the array that holds them. `bool` is one byte, 0 or 1. float16 is widened when a file is read. */
export const dtypes = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

export type DType = keyof typeof dtypes;
export type Shape = readonly number[];
export type TensorData =
  | Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array
  | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/** Anything another library calls a tensor: `data` with `dims` or `shape` and `type` or `dtype`. */
export interface TensorLike {
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
  readonly dims?: Shape;
  readonly shape?: Shape;
  readonly type?: string;
  readonly dtype?: string;
}

/** A dense, row-major array with a shape. Owns nothing but its typed array; free to copy and to transfer. */
export class Tensor<D extends TensorData = TensorData> implements TensorLike {
  readonly type: DType;
  readonly data: D;
  readonly dims: Shape;

  /** @throws BurinError `dtype` or `shape` when data, type and dims do not agree. */
  constructor(type: DType, data: D | readonly number[], dims?: Shape) {
    expect(Object.hasOwn(dtypes, type), {
      kind: 'dtype', where: 'Tensor', needs: `one of ${Object.keys(dtypes).join(', ')}`, got: show(type),
    });
    expect(Array.isArray(data) || ArrayBuffer.isView(data), {
      kind: 'argument', where: `Tensor ${type}`, needs: `a ${dtypes[type].name} or a list of numbers`, got: typeOf(data),
    });
    const shape = dims ?? [data.length];
    checkShape(shape, 'Tensor');
    const array = Array.isArray(data) ? arrayFrom(type, data) : (data as D);
    expect(array instanceof dtypes[type], {
      kind: 'dtype', where: `Tensor ${type}`, needs: dtypes[type].name, got: array?.constructor?.name ?? String(array),
    });
    expect(array.length === sizeOf(shape), {
      kind: 'shape', where: `Tensor [${shape}]`, needs: `${sizeOf(shape)} elements`, got: `${array.length}`,
    });
    this.type = type;
    this.data = array as D;
    this.dims = [...shape];
  }

  get shape(): Shape { return this.dims; }
  get dtype(): DType { return this.type; }
  get size(): number { return this.data.length; }
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, step = 1; i >= 0; step *= shape[i--]) strides[i] = step;
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Bytes of one element. */
export function bytesOf(type: DType): number {
  return dtypes[type].BYTES_PER_ELEMENT;
}

/** @throws BurinError when a dimension is not a whole number ≥ 0 or the size is beyond what an array can hold. */
export function checkShape(shape: Shape, where: string): void {
  expect(Array.isArray(shape) || ArrayBuffer.isView(shape), { kind: 'shape', where, needs: 'a list of dimensions', got: show(shape) });
  for (const dim of shape) {
    expect(Number.isInteger(dim) && dim >= 0, { kind: 'shape', where, needs: 'whole dimensions of 0 or more', got: `[${shape}]` });
  }
  expect(sizeOf(shape) <= 2 ** 32, { kind: 'limit', where, needs: 'at most 2^32 elements', got: `[${shape}]` });
}

/** A zeroed array of `length` elements of `type`. */
export function allocate(type: DType, length: number): TensorData {
  return new dtypes[type](length);
}

/**
 * A typed array of `type` from plain numbers (int64 from numbers too).
 * @throws BurinError `dtype` for 64-bit integers of numbers that are not whole.
 */
export function arrayFrom(type: DType, values: ArrayLike<number>): TensorData {
  if (type === 'int64') return BigInt64Array.from(Array.from(values, (v) => whole(type, v)));
  if (type === 'uint64') return BigUint64Array.from(Array.from(values, (v) => whole(type, v)));
  return new dtypes[type](values as never);
}

function whole(type: DType, value: number | bigint): bigint {
  if (typeof value === 'bigint' || Number.isInteger(value)) return BigInt(value);
  return fail({
    kind: 'dtype', where: `Tensor ${type}`, needs: 'whole numbers', got: show(value), remedy: 'round them first, or use float32',
  });
}

/** `typeof`, and null by its name: data is too long to be shown. */
function typeOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

/** The elements as plain numbers, whatever the type; int64 beyond 2^53 lose their low bits. */
export function numbersOf(tensor: Tensor): ArrayLike<number> {
  const data = tensor.data;
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? Array.from(data, Number) : data;
}

/** Our own Tensor from anybody's; the data is not copied when its array type fits. */
export function tensorFrom(like: TensorLike, where: string): Tensor {
  if (like instanceof Tensor) return like;
  const type = (like?.type ?? like?.dtype) as DType;
  const dims = like?.dims ?? like?.shape;
  if (!like || !like.data || !dims || !type) {
    return fail({
      kind: 'argument', where,
      needs: 'a tensor: data, dims (or shape), type (or dtype)',
      got: typeOf(like),
    });
  }
  expect(Object.hasOwn(dtypes, type), { kind: 'dtype', where, needs: `one of ${Object.keys(dtypes).join(', ')}`, got: show(type) });
  const data = like.data instanceof dtypes[type] ? like.data : arrayFrom(type, Array.from(like.data as ArrayLike<number>, Number));
  return new Tensor(type, data as TensorData, dims);
}
