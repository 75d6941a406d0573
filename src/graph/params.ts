import type { Graph, Node } from './graph.ts';
import { opOf } from './ops/index.ts';
import type { Types } from './channels/index.ts';

/** Inputs that hold trained parameters, as torch counts them: of batch normalisation γ and β, not mean and variance. */
const trained: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2], ConvTranspose: [1, 2], Linear: [1, 2], Gemm: [0, 1, 2], MatMul: [0, 1],
  BatchNormalization: [1, 2], InstanceNormalization: [1, 2], LayerNormalization: [1, 2], PRelu: [1],
  Add: [0, 1], Sub: [0, 1], Mul: [0, 1], Div: [0, 1],
};

/** Arithmetic with a single number is a formula (x + 3 in hard-swish), not a parameter. */
const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Names of the trained constants of a node. */
export function paramsOf(graph: Graph, node: Node): string[] {
  return (trained[node.op] ?? []).map((i) => node.inputs[i]).filter((name, i, names) => {
    const tensor = graph.constants.get(name);
    if (!tensor || names.indexOf(name) !== i) return false;
    return (tensor.type === 'float32' || tensor.type === 'float64') && !(arithmetic.has(node.op) && tensor.size === 1);
  });
}

/** Trained parameters and multiply-adds of a graph whose types are known. A parameter that several nodes share counts once. */
export function sizeOfNetwork(graph: Graph, types: Types): { params: number; macs: number } {
  const names = new Set(graph.nodes.flatMap((node) => paramsOf(graph, node)));
  const params = [...names].reduce((sum, name) => sum + graph.constants.get(name)!.size, 0);
  const macs = graph.nodes.reduce((sum, node) => {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) }));
    return sum + (opOf(node).work?.({ node, inputs }).macs ?? 0);
  }, 0);
  return { params, macs };
}
