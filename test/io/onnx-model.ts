import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, GraphProtoSchema, ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import { Tensor } from '../../src/tensor.ts';
import { tensorProto } from '../../src/io/onnx/tensor.ts';

/** A float attribute, which a whole number would not be taken for. */
export const float = (f: number) => ({ type: Kind.FLOAT, f });

type Given = number | string | readonly number[] | Tensor | ReturnType<typeof float>;

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs?: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attrs?: Readonly<Record<string, Given>>;
}

export interface ModelSpec {
  readonly opset: number;
  readonly nodes: readonly NodeSpec[];
  readonly inputs?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs?: readonly string[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly graph?: MessageInitShape<typeof GraphProtoSchema>;
}

function fields(value: Given) {
  if (value instanceof Tensor) return { type: Kind.TENSOR, t: tensorProto(value) };
  if (typeof value === 'string') return { type: Kind.STRING, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') return { type: Kind.INT, i: BigInt(value) };
  if (Array.isArray(value)) {
    return value.every(Number.isInteger) ? { type: Kind.INTS, ints: value.map(BigInt) } : { type: Kind.FLOATS, floats: value };
  }
  return value as ReturnType<typeof float>;
}

function info(name: string, dims: readonly (number | string)[], elemType: number = TensorProto_DataType.FLOAT) {
  const dim = dims.map((d) => ({ value: typeof d === 'number' ? { case: 'dimValue' as const,
    value: BigInt(d) } : { case: 'dimParam' as const, value: d } }));
  return { name, type: { value: { case: 'tensorType' as const, value: { elemType, shape: { dim } } } } };
}

/** The bytes of a model of float32 inputs and outputs, as a file of that opset would say it; `y` is the output unless said otherwise. */
export function modelBytes(spec: ModelSpec): Uint8Array {
  const output = (name: string) => ({ name, type: { value: { case: 'tensorType' as const,
    value: { elemType: TensorProto_DataType.FLOAT } } } });
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, {
    irVersion: spec.opset < 9 ? 3n : 8n,
    opsetImport: [{ domain: '', version: BigInt(spec.opset) }],
    graph: {
      name: 'test',
      input: Object.entries(spec.inputs ?? { x: [2, 3] }).map(([name, dims]) => info(name, dims)),
      output: (spec.outputs ?? ['y']).map(output),
      initializer: Object.entries(spec.constants ?? {}).map(([name, tensor]) => tensorProto(tensor, name)),
      node: spec.nodes.map((node) => ({
        opType: node.op, name: node.name ?? '', domain: node.domain ?? '', input: [...node.inputs], output: [...(node.outputs ?? ['y'])],
        attribute: Object.entries(node.attrs ?? {}).map(([name, value]) => ({ name, ...fields(value) })),
      })),
      ...spec.graph,
    } as MessageInitShape<typeof GraphProtoSchema>,
  }));
}

/** Numbers of both signs that do not repeat. */
export function wave(dims: readonly number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor('float32', Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i + 1)), dims);
}
