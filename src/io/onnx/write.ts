import { create, toBinary } from '@bufbuild/protobuf';
import {
  GraphProtoSchema, ModelProtoSchema, NodeProtoSchema, ValueInfoProtoSchema,
  type NodeProto, type SparseTensorProto, type TensorProto, type ValueInfoProto,
} from 'onnx-buf';
import type { Graph, Node, ValueInfo } from '../../graph/graph.ts';
import type { Tensor } from '../../tensor.ts';
import { attrProto } from './attrs.ts';
import { lower, opsetFor } from './lower.ts';
import { sparseTensorProto } from './sparse.ts';
import { kinds, tensorProto } from './tensor.ts';

export interface WriteOnnxOptions {
  /** Store float32 weights as `sparse_initializer` where that is smaller (from two thirds of zeros on). Default false. */
  readonly sparse?: boolean;
}

/** IR version 8 is the one that came with opset 17. */
const irVersion = 8n;

/**
 * The bytes of an ONNX model that computes the same as `graph`: opset 17 (or the first one that can say it, up to 24),
 * fused clamps, residuals and `Linear` written out as standard operators.
 * @throws BurinError `unsupported` for a node that no standard operator expresses
 */
export function writeOnnx(graph: Graph, options: WriteOnnxOptions = {}): Uint8Array {
  const opset = opsetFor(graph);
  const { nodes, constants } = lower(graph, opset);
  const stored = initializers(constants, options.sparse ?? false);
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, {
    irVersion,
    producerName: 'burin',
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: create(GraphProtoSchema, {
      name: graph.name,
      input: graph.inputs.map(valueInfoProto),
      output: graph.outputs.map(valueInfoProto),
      initializer: stored.dense,
      sparseInitializer: stored.sparse,
      node: nodes.map(nodeProto),
    }),
  }));
}

function initializers(constants: ReadonlyMap<string, Tensor>, trySparse: boolean): { dense: TensorProto[]; sparse: SparseTensorProto[] } {
  const dense: TensorProto[] = [];
  const sparse: SparseTensorProto[] = [];
  for (const [name, tensor] of constants) {
    const proto = trySparse ? sparseTensorProto(tensor, name) : undefined;
    if (proto) sparse.push(proto);
    else dense.push(tensorProto(tensor, name));
  }
  return { dense, sparse };
}

function valueInfoProto(info: ValueInfo): ValueInfoProto {
  const dim = info.dims.map((d) => ({ value: typeof d === 'number' ? dimValue(d) : { case: 'dimParam', value: d } as const }));
  const value = { elemType: kinds[info.type], shape: { dim } };
  return create(ValueInfoProtoSchema, { name: info.name, type: { value: { case: 'tensorType', value } } });
}

function dimValue(dim: number) {
  return { case: 'dimValue', value: BigInt(dim) } as const;
}

function nodeProto(node: Node): NodeProto {
  return create(NodeProtoSchema, {
    name: node.name, opType: node.op, input: [...node.inputs], output: [...node.outputs],
    attribute: Object.entries(node.attrs).map(([name, value]) => attrProto(name, value)),
  });
}
