import { expect, fail } from '../../expect.ts';
import type { Attr, Graph, Node } from '../../graph/graph.ts';
import { numbersOf, Tensor, type TensorData } from '../../tensor.ts';
import { namer } from './names.ts';
import { reductions } from './rewrite.ts';
import { rankTracker, type RankOf } from './ranks.ts';

const newInResize = ['axes', 'antialias', 'keep_aspect_ratio_policy'];

/** What later opsets than 17 added to operators of ours, and which one. */
const additions: readonly { readonly opset: number; readonly has: (node: Node) => boolean }[] = [
  { opset: 18, has: (node) => node.op === 'Pad' && Boolean(node.inputs[3]) },
  { opset: 18, has: (node) => node.op === 'Resize' && newInResize.some((attr) => attr in node.attrs) },
  { opset: 19, has: (node) => node.op === 'Resize' && node.attrs.coordinate_transformation_mode === 'half_pixel_symmetric' },
  { opset: 19, has: (node) => node.op === 'AveragePool' && 'dilations' in node.attrs },
  { opset: 18, has: (node) => node.op === 'Mish' },
  { opset: 20, has: (node) => node.op === 'Gelu' },
  { opset: 24, has: (node) => node.op === 'Swish' },
];

/** The first opset from 17 on that can say everything `graph` does. */
export function opsetFor(graph: Graph): number {
  return Math.max(17, ...additions.filter(({ has }) => graph.nodes.some(has)).map(({ opset }) => opset));
}

/** What a lowering may draw on. */
interface Lowering {
  readonly opset: number;
  readonly constants: Map<string, Tensor>;
  readonly rankOf: RankOf;
  /** A name no value has yet. */
  readonly unique: (name: string) => string;
}

type Lower = (node: Node, file: Lowering) => Node[];

/** A further node that belongs to `node`. */
function made(node: Node, op: string, inputs: readonly string[], outputs: readonly string[]): Node {
  return { name: `${node.name}/${op}`, op, inputs, outputs, attrs: {} };
}

function without(node: Node, ...names: string[]): Record<string, Attr> {
  return Object.fromEntries(Object.entries(node.attrs).filter(([name]) => !names.includes(name)));
}

function constant(file: Lowering, name: string, tensor: Tensor): string {
  const unique = file.unique(name);
  file.constants.set(unique, tensor);
  return unique;
}

/** `head` computes, then the residual is added, then the clamp applies; what is not there is left out. */
function withTail(node: Node, head: (output: string) => Node[], file: Lowering): Node[] {
  const residual = node.op !== 'Add' ? node.inputs[3] : undefined;
  const { min = -Infinity, max = Infinity } = node.attrs as Record<string, number>;
  const clamped = min > -Infinity || max < Infinity;
  const [output] = node.outputs;
  const sum = clamped ? file.unique(`${node.name}_sum`) : output;
  const product = residual ? file.unique(`${node.name}_product`) : sum;
  const bound = (value: number) => (Number.isFinite(value) ? constant(file, `${node.name}_bound`, new Tensor('float32', [value], [])) : '');
  const nodes = head(product);
  if (residual) nodes.push(made(node, 'Add', [product, residual], [sum]));
  const isRelu = min === 0 && max === Infinity;
  if (clamped && isRelu) nodes.push(made(node, 'Relu', [sum], [output]));
  else if (clamped) nodes.push(made(node, 'Clip', trimmed([sum, bound(min), bound(max)]), [output]));
  return nodes;
}

const fused: Lower = (node, file) => {
  const inputs = node.op === 'Add' ? node.inputs : trimmed(node.inputs.slice(0, 3));
  return withTail(node, (output) => [{ ...node, inputs, outputs: [output], attrs: without(node, 'min', 'max') }], file);
};

function trimmed(inputs: readonly string[]): readonly string[] {
  return inputs.at(-1) === '' ? trimmed(inputs.slice(0, -1)) : inputs;
}

/** Linear(x, w[O, K], bias): Gemm for matrices, otherwise x · wᵀ + bias. */
const linear: Lower = (node, file) => withTail(node, (output) => {
  const [x, w, bias = ''] = node.inputs;
  if (file.rankOf(x) === 2) return [{ ...node, op: 'Gemm', inputs: trimmed([x, w, bias]), outputs: [output], attrs: { transB: 1 } }];
  const product = bias ? file.unique(`${node.name}_matmul`) : output;
  const matmul = { ...node, op: 'MatMul', inputs: [x, transposed(node, w, file)], outputs: [product], attrs: {} };
  return bias ? [matmul, made(node, 'Add', [product, bias], [output])] : [matmul];
}, file);

/** The transpose of a constant matrix, as a constant. */
function transposed(node: Node, name: string, file: Lowering): string {
  const weight = file.constants.get(name);
  if (weight?.dims.length !== 2) {
    const got = weight ? `[${weight.dims}]` : 'a computed one';
    return fail({ kind: 'unsupported', where: `node '${node.name}' (Linear)`, needs: 'a constant weight [O, K]', got });
  }
  const [rows, cols] = weight.dims;
  const data = (weight.data as Float32Array).slice();
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) data[c * rows + r] = (weight.data as Float32Array)[r * cols + c];
  return constant(file, `${name}_transposed`, new Tensor(weight.type, data as TensorData, [cols, rows]));
}

/** Before opset 18 the axes of a reduction were an attribute, and none meant all. */
const reduction: Lower = (node, file) => {
  const name = node.inputs[1], x = node.inputs.slice(0, 1);
  if (file.opset >= 18) return [node];
  const known = name ? file.constants.get(name) : undefined;
  expect(!name || known, {
    kind: 'unsupported', where: `node '${node.name}' (${node.op})`, needs: 'constant axes', got: 'computed ones',
  });
  const axes = known ? Array.from(numbersOf(known)) : [];
  if (axes.length === 0 && node.attrs.noop_with_empty_axes) return [{ ...node, op: 'Identity', inputs: x, attrs: {} }];
  return [{ ...node, inputs: x, attrs: { ...without(node, 'noop_with_empty_axes'), ...(axes.length ? { axes } : {}) } }];
};

/** Before opset 18 the number of parts was that of the outputs. */
const split: Lower = (node, file) => [file.opset >= 18 ? node : { ...node, attrs: without(node, 'num_outputs') }];

const lowerings: Readonly<Record<string, Lower>> = {
  Add: fused, Conv: fused, ConvTranspose: fused, Linear: linear, Split: split,
  ...Object.fromEntries(reductions.map((op) => [op, reduction])),
};

/** The nodes of `graph` as standard operators of `opset`, and the constants with those the rewriting adds; unread ones go. */
export function lower(graph: Graph, opset: number): { nodes: Node[]; constants: ReadonlyMap<string, Tensor> } {
  const constants = new Map(graph.constants);
  const unique = namer([...constants.keys(), ...graph.inputs.map((info) => info.name), ...graph.nodes.flatMap((node) => node.outputs)]);
  const { rankOf, visit } = rankTracker(graph.inputs.map((info) => [info.name, info.dims.length] as const), constants);
  const nodes = graph.nodes.flatMap((node) => {
    visit(node);
    return Object.hasOwn(lowerings, node.op) ? lowerings[node.op](node, { opset, constants, rankOf, unique }) : [node];
  });
  const read = new Set([...nodes.flatMap((node) => node.inputs), ...graph.outputs.map((info) => info.name)]);
  const uniqueNode = namer();
  return {
    nodes: nodes.map((node) => ({ ...node, name: uniqueNode(node.name) })),
    constants: new Map([...constants].filter(([name]) => read.has(name))),
  };
}
