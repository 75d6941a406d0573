import { Tensor, type Shape } from '../../tensor.ts';
import { permuteTensor } from '../permute.ts';
import type { Node } from '../graph.ts';
import { addConstant, become, changeConstant, ownProducer, passOf, takeOver, trimmed, type Rule, type Scope } from './rewrite.ts';

// Products with a constant right side become Linear: w[O, K] as torch has it, rows of one output each.

const attr = (node: Node, name: string, otherwise: number): number => (node.attrs[name] as number | undefined) ?? otherwise;

const scaled = (tensor: Tensor, by: number): Tensor =>
  by === 1 ? tensor : new Tensor('float32', (tensor.data as Float32Array).map((v) => v * by), tensor.dims);

/** The constant float32 matrix that is input 1 of a node. */
function matrixOf(scope: Scope, node: Node): Tensor | undefined {
  const tensor = scope.constants.get(node.inputs[1]);
  return tensor?.type === 'float32' && tensor.dims.length === 2 && tensor.size > 0 ? tensor : undefined;
}

/** A constant that adds one number to each of `length` outputs, as [length]; undefined where it does anything else. */
function perOutput(tensor: Tensor | undefined, length: number): Tensor | undefined {
  if (tensor?.type !== 'float32' || tensor.dims.slice(0, -1).some((dim) => dim !== 1)) return undefined;
  const data = tensor.data as Float32Array;
  if (data.length === length) return new Tensor('float32', data, [length]);
  return data.length === 1 ? new Tensor('float32', new Float32Array(length).fill(data[0]), [length]) : undefined;
}

/** The name of input `i` with this content: its own where nothing changes or nobody else reads it. */
function put(scope: Scope, node: Node, i: number, tensor: Tensor): string {
  const old = scope.constants.get(node.inputs[i])!;
  const same = old.data === tensor.data && String(old.dims) === String(tensor.dims);
  return same ? node.inputs[i] : changeConstant(scope, node.inputs[i], node, tensor);
}

const gemm: Rule = (scope, node) => {
  const right = matrixOf(scope, node), addend = node.inputs[2] ?? '';
  if (!right || attr(node, 'transA', 0) !== 0 || scope.types.get(node.inputs[0])!.type !== 'float32') return false;
  const weight = attr(node, 'transB', 0) ? right : permuteTensor(right, [1, 0]);
  const bias = addend ? perOutput(scope.constants.get(addend), weight.dims[0]) : undefined;
  if (addend && !bias) return false;
  const w = put(scope, node, 1, scaled(weight, attr(node, 'alpha', 1)));
  const b = bias && put(scope, node, 2, scaled(bias, attr(node, 'beta', 1)));
  return become(scope, node, { op: 'Linear', inputs: trimmed([node.inputs[0], w, b]), attrs: {} });
};

const matmul: Rule = (scope, node) => {
  const right = matrixOf(scope, node), x = scope.types.get(node.inputs[0])!;
  if (!right || x.type !== 'float32' || x.shape.length < 2) return false;
  const w = changeConstant(scope, node.inputs[1], node, permuteTensor(right, [1, 0]));
  return become(scope, node, { op: 'Linear', inputs: [node.inputs[0], w], attrs: {} });
};

const LINEAR: ReadonlySet<string> = new Set(['Linear']);
const shapeOf = (scope: Scope, name: string): Shape => scope.types.get(name)!.shape;

/** A constant added to a product that has no bias of its own. */
const bias: Rule = (scope, node) => {
  for (const place of [0, 1]) {
    const product = ownProducer(scope, node, place, LINEAR);
    if (!product || product.inputs.length > 2 || Object.keys(product.attrs).length > 0) continue;
    const other = node.inputs[1 - place], outputs = shapeOf(scope, product.outputs[0]);
    const values = perOutput(scope.constants.get(other), outputs[outputs.length - 1]);
    if (!values || String(outputs) !== String(shapeOf(scope, node.outputs[0]))) continue;
    return takeOver(scope, product, node, { inputs: [...product.inputs, addConstant(scope, `${product.name}.bias`, values)] });
  }
  return false;
};

export const linear = passOf({ Gemm: [gemm], MatMul: [matmul], Add: [bias] });
