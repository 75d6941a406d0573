import {
  ModelProtoSchema, type GraphProto, type ModelProto, type NodeProto, type TensorShapeProto_Dimension, type ValueInfoProto,
} from 'onnx-buf';
import { expect, fail, show } from '../../expect.ts';
import { checkGraph } from '../../graph/evaluate.ts';
import type { Attr, Dim, Graph, Node, ValueInfo } from '../../graph/graph.ts';
import { ops } from '../../graph/ops/index.ts';
import { sortNodes } from '../../graph/sort.ts';
import { Tensor, type DType } from '../../tensor.ts';
import { attrOf, type AttrSource } from './attrs.ts';
import type { External } from './external.ts';
import { namer } from './names.ts';
import { decode } from './proto.ts';
import { rankTracker } from './ranks.ts';
import { onlyRead, rewrite } from './rewrite.ts';
import { budgetOf, sparseTensorOf } from './sparse.ts';
import { dtypeOf, tensorOf } from './tensor.ts';

export interface ReadOnnxOptions {
  /** What to call the graph; absent: what the file calls it. */
  readonly name?: string;
  /** Gives the bytes of external data, by its path relative to the model's folder. It is never asked for a path outside. */
  readonly external?: External;
}

/** Opsets whose operators are known to be read right. */
const newestOpset = 25;

/**
 * The network in the bytes of an ONNX model, in the form of `Graph`: opsets 1 to 25 become 17 (18 for the reductions),
 * weights become constants wherever the file keeps them, float16, bfloat16 and double become float32.
 * @throws BurinError `file` for damaged bytes, `model` for a network that contradicts itself, `unsupported` for an
 * operator, type or control flow that Burin does not do, `limit` for sparse weights that unfold to too much
 */
export function readOnnx(bytes: Uint8Array, options: ReadOnnxOptions = {}): Graph {
  const model = decode(ModelProtoSchema, bytes, options.name ?? 'ONNX model');
  const where = options.name ?? (model.graph?.name || 'ONNX model');
  const opset = opsetOf(model, where);
  const proto = model.graph ?? fail({ kind: 'file', where, needs: 'a graph', got: 'none', remedy: 'the file is damaged or no ONNX model' });
  const source = { budget: budgetOf(bytes.length), external: options.external };
  const constants = initializersOf(proto, where, source);
  const isInput = (info: ValueInfoProto) => !constants.has(info.name); // before IR version 4 initializers were listed as inputs too
  const inputs = proto.input.filter(isInput).map((info) => inputOf(info, `${where} input`));
  const outputs = proto.output.map((info) => valueInfoOf(info, `${where} output`));
  const found = nodesOf(proto, opset, { constants, source });
  const sorted = sortNodes(found, [...inputs.map((info) => info.name), ...constants.keys()]);
  const graph = { name: where, inputs, outputs, nodes: rewriteAll(sorted, { opset, constants, proto }), constants };
  checkGraph(graph);
  return graph;
}

function opsetOf(model: ModelProto, where: string): number {
  const version = model.opsetImport.find(({ domain }) => isDefault(domain))?.version;
  const opset = version === undefined && model.irVersion < 3n ? 1 : Number(version ?? 0); // IR versions 1 and 2 had no opsets
  expect(opset >= 1, { kind: 'file', where, needs: 'an import of the operators of ai.onnx', got: 'none' });
  const remedy = 'export the model with an earlier opset';
  expect(opset <= newestOpset, { kind: 'unsupported', where, needs: `an opset of 1 to ${newestOpset}`, got: `${opset}`, remedy });
  return opset;
}

function isDefault(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function initializersOf(proto: GraphProto, where: string, source: AttrSource): Map<string, Tensor> {
  const constants = new Map<string, Tensor>();
  for (const initializer of proto.initializer) {
    define(constants, initializer.name, tensorOf(initializer, `${where} initializer`, source.external));
  }
  for (const initializer of proto.sparseInitializer) {
    const place = `${where} sparse initializer`;
    define(constants, initializer.values?.name ?? '', sparseTensorOf(initializer, source.budget, place));
  }
  return constants;
}

function define(constants: Map<string, Tensor>, name: string, tensor: Tensor): void {
  const got = name ? 'a second one' : 'none';
  expect(name !== '' && !constants.has(name), { kind: 'model', where: `constant ${show(name)}`, needs: 'a name of its own', got });
  constants.set(name, tensor);
}

function inputOf(info: ValueInfoProto, where: string): ValueInfo {
  const shaped = info.type?.value.case === 'tensorType' && info.type.value.value.shape;
  expect(shaped, { kind: 'unsupported', where: `${where} '${info.name}'`, needs: 'a tensor of known rank', got: 'no shape' });
  return valueInfoOf(info, where);
}

function valueInfoOf(info: ValueInfoProto, where: string): ValueInfo {
  const place = `${where} '${info.name}'`;
  const type = info.type?.value;
  if (type?.case !== 'tensorType') return fail({ kind: 'unsupported', where: place, needs: 'a tensor', got: type?.case ?? 'no type' });
  const dims = type.value.shape?.dim ?? [];
  return { name: info.name, type: dtypeOf(type.value.elemType, place), dims: dims.map((dim, i) => dimOf(dim, `${info.name}_${i}`)) };
}

/** A length, a name, or a name made up where the file says neither (or -1). */
function dimOf({ value }: TensorShapeProto_Dimension, otherwise: string): Dim {
  if (value.case === 'dimParam') return value.value || otherwise;
  return value.case === 'dimValue' && value.value >= 0n ? Number(value.value) : otherwise;
}

/** The nodes of the file as records; Constant nodes join the constants. */
function nodesOf(proto: GraphProto, opset: number, file: { constants: Map<string, Tensor>; source: AttrSource }): Node[] {
  const unique = namer();
  const nodes: Node[] = [];
  proto.node.forEach((raw, i) => {
    const node = nodeOf(raw, unique(raw.name || `${raw.opType}_${i}`), { opset, source: file.source });
    if (node.op === 'Constant') define(file.constants, node.outputs[0] ?? '', constantOf(node, opset));
    else nodes.push(node);
  });
  return nodes;
}

function nodeOf(raw: NodeProto, name: string, file: { opset: number; source: AttrSource }): Node {
  const where = placeOf({ name, op: raw.opType }, file.opset);
  if (!isDefault(raw.domain)) {
    fail({ kind: 'unsupported', where, needs: `an operator of ai.onnx: ${supported()}`, got: `one of the domain ${show(raw.domain)}` });
  }
  if (!isKnown(raw.opType)) fail({ kind: 'unsupported', where, needs: `one of ${supported()}`, got: show(raw.opType) });
  const attrs = raw.attribute.map((attr): [string, Attr] => [attr.name, attrOf(attr, where, file.source)]);
  return { name, op: raw.opType, inputs: raw.input, outputs: raw.output, attrs: Object.fromEntries(attrs) };
}

function placeOf(node: Pick<Node, 'name' | 'op'>, opset: number): string {
  return `node '${node.name}' (${node.op}, opset ${opset})`;
}

function isKnown(op: string): boolean {
  return Object.hasOwn(ops, op) || onlyRead.includes(op);
}

function supported(): string {
  return [...new Set([...Object.keys(ops), ...onlyRead])].sort().join(', ');
}

/** The ways to say a constant, by attribute. */
const constantForms: Readonly<Record<string, DType>> = {
  value_float: 'float32', value_floats: 'float32', value_int: 'int64', value_ints: 'int64',
};

function constantOf(node: Node, opset: number): Tensor {
  const tensor = node.attrs.value ?? node.attrs.sparse_value;
  if (tensor instanceof Tensor) return tensor;
  const form = Object.keys(constantForms).find((key) => key in node.attrs);
  const value = form && [node.attrs[form]].flat();
  const fits = value && value.every((v) => typeof v === 'number' && (constantForms[form] !== 'int64' || Number.isInteger(v)));
  if (!fits) fail({ kind: 'unsupported', where: placeOf(node, opset), needs: 'a tensor or numbers', got: show(Object.keys(node.attrs)) });
  return new Tensor(constantForms[form], value as number[], form.endsWith('s') ? undefined : []);
}

function rewriteAll(nodes: readonly Node[], file: { opset: number; constants: Map<string, Tensor>; proto: GraphProto }): Node[] {
  const { opset, constants, proto } = file;
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...proto.output.map((info) => info.name)]);
  const unique = namer([...used, ...constants.keys(), ...nodes.flatMap((node) => node.outputs)]);
  const uniqueNode = namer(nodes.map((node) => node.name));
  const { rankOf, visit } = rankTracker(knownRanks(proto), constants);
  return nodes.flatMap((node) => {
    const where = placeOf(node, opset);
    const rewritten = rewrite(node, { opset, constants, rankOf, used, unique, where });
    return rewritten.map((made) => {
      if (!isKnown(made.op)) fail({ kind: 'unsupported', where, needs: `one of ${supported()}`, got: show(made.op) });
      visit(made);
      return made.name === node.name ? made : { ...made, name: uniqueNode(made.name) };
    });
  });
}

function knownRanks(proto: GraphProto): [string, number][] {
  return [...proto.valueInfo, ...proto.input, ...proto.output].flatMap((info): [string, number][] => {
    const shape = info.type?.value.case === 'tensorType' ? info.type.value.value.shape : undefined;
    return shape ? [[info.name, shape.dim.length]] : [];
  });
}
