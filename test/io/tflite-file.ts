import { Builder } from 'flatbuffers';
import type { DType, Tensor } from '../../src/tensor.ts';

/** One field of a table; its key says how it is stored. */
type Cell =
  | { byte: number } | { ubyte: number } | { int: number } | { uint: number } | { float: number } | { text: string }
  | { bytes: Uint8Array } | { ints: readonly number[] } | { ushorts: readonly number[] }
  | { floats: readonly number[] } | { longs: readonly number[] }
  | { table: Cells } | { tables: readonly Cells[] };
export type Cells = Readonly<Record<number, Cell | undefined>>;

function vector(builder: Builder, width: number, values: readonly number[], add: (value: number) => void): number {
  builder.startVector(width, values.length, width);
  for (const value of [...values].reverse()) add(value);
  return builder.endVector();
}

/** Where the cell's content was written, for those that lie outside their table. */
function place(builder: Builder, cell: Cell): number | undefined {
  if ('text' in cell) return builder.createString(cell.text) as number;
  if ('bytes' in cell) return builder.createByteVector(cell.bytes);
  if ('ints' in cell) return vector(builder, 4, cell.ints, (v) => builder.addInt32(v));
  if ('ushorts' in cell) return vector(builder, 2, cell.ushorts, (v) => builder.addInt16(v));
  if ('floats' in cell) return vector(builder, 4, cell.floats, (v) => builder.addFloat32(v));
  if ('longs' in cell) return vector(builder, 8, cell.longs, (v) => builder.addInt64(BigInt(v)));
  if ('table' in cell) return writeTable(builder, cell.table);
  if ('tables' in cell) {
    const offsets = cell.tables.map((cells) => writeTable(builder, cells));
    return vector(builder, 4, offsets, (v) => builder.addOffset(v));
  }
  return undefined;
}

function writeTable(builder: Builder, cells: Cells): number {
  const rows = Object.entries(cells).flatMap(([id, cell]) => (cell ? [{ id: Number(id), cell, offset: place(builder, cell) }] : []));
  builder.startObject(Math.max(-1, ...rows.map(({ id }) => id)) + 1);
  for (const { id, cell, offset } of rows) {
    if (offset !== undefined) builder.addFieldOffset(id, offset, 0);
    else if ('byte' in cell) builder.addFieldInt8(id, cell.byte, NaN);
    else if ('ubyte' in cell) builder.addFieldInt8(id, cell.ubyte, NaN);
    else if ('int' in cell) builder.addFieldInt32(id, cell.int, NaN);
    else if ('uint' in cell) builder.addFieldInt32(id, cell.uint, NaN);
    else if ('float' in cell) builder.addFieldFloat32(id, cell.float, NaN);
  }
  return builder.endObject();
}

const typeNumbers: Partial<Record<DType, number>> = { float32: 0, int32: 2, uint8: 3, int64: 4, bool: 6, int8: 9 };

/** A tensor of a file to be. `half` stores raw float16 bits. */
export interface Made {
  readonly name: string;
  readonly dims: readonly number[];
  readonly type?: DType;
  readonly half?: boolean;
  readonly data?: ArrayBufferView;
  readonly signature?: readonly number[];
  readonly quantization?: Cells;
  readonly sparsity?: Cells;
}

export interface MadeOperator {
  readonly code: number;
  readonly custom?: string;
  readonly customOptions?: Uint8Array;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: Cells;
}

export const made = (name: string, tensor: Tensor): Made => ({ name, dims: tensor.dims, type: tensor.type, data: tensor.data });
export const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** A TensorFlow Lite file. */
export function makeTflite(file: {
  tensors: readonly Made[];
  operators: readonly MadeOperator[];
  inputs: readonly number[];
  outputs: readonly number[];
  identifier?: string;
  version?: number;
}): Uint8Array {
  const { tensors, operators, inputs, outputs, identifier = 'TFL3', version = 3 } = file;
  const builder = new Builder(1024);
  const tensorCells = tensors.map(({ name, dims, type = 'float32', half, signature, quantization, sparsity }, i): Cells => ({
    0: { ints: dims }, 1: { byte: half ? 1 : typeNumbers[type] ?? -1 }, 2: { uint: i + 1 }, 3: { text: name },
    4: quantization && { table: quantization }, 6: sparsity && { table: sparsity }, 7: signature && { ints: signature },
  }));
  const operatorCells = operators.map((op, i): Cells => ({
    0: { uint: i }, 1: { ints: op.inputs }, 2: { ints: op.outputs },
    4: op.options && { table: op.options }, 5: op.customOptions && { bytes: op.customOptions },
  }));
  const codes = operators.map(({ code, custom }): Cells => ({
    0: { byte: Math.min(code, 127) }, 3: { int: code }, 1: custom === undefined ? undefined : { text: custom },
  }));
  const buffers: Cells[] = [{}, ...tensors.map(({ data }): Cells => (data ? { 0: { bytes: bytesOf(data) } } : {}))];
  const graph: Cells = {
    0: { tables: tensorCells }, 1: { ints: inputs }, 2: { ints: outputs }, 3: { tables: operatorCells }, 4: { text: 'made' },
  };
  const root = writeTable(builder, { 0: { uint: version }, 1: { tables: codes }, 2: { tables: [graph] }, 4: { tables: buffers } });
  builder.finish(root, identifier);
  return builder.asUint8Array();
}
