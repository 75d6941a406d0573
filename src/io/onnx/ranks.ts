import type { Node } from '../../graph/graph.ts';
import { Tensor } from '../../tensor.ts';

/** The number of dimensions of a value, where it is known. */
export type RankOf = (value: string) => number | undefined;

const ofInput: (i: number) => Rule = (i) => (node, rankOf) => rankOf(node.inputs[i]);
const fixed: (rank: number) => Rule = (rank) => () => rank;
const widest: Rule = (node, rankOf) => {
  const ranks = node.inputs.map(rankOf);
  return ranks.includes(undefined) ? undefined : Math.max(...(ranks as number[]));
};

type Rule = (node: Node, rankOf: RankOf) => number | undefined;

/** Operators whose output has as many dimensions as their first input. */
const alike = [
  'Relu', 'LeakyRelu', 'PRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Clip', 'Exp', 'Log', 'Sqrt', 'Abs', 'Neg', 'Erf',
  'Identity', 'Dropout', 'Cast', 'Softmax', 'LogSoftmax', 'BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'LRN',
  'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'Pad', 'Slice', 'Split', 'Concat', 'Transpose', 'Resize',
  'Upsample', 'DepthToSpace', 'SpaceToDepth', 'Linear',
];

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(alike.map((op) => [op, ofInput(0)])),
  Conv: ofInput(1), ConvTranspose: ofInput(1), Gemm: fixed(2), Flatten: fixed(2), Shape: fixed(1),
  Add: widest, Sub: widest, Mul: widest, Div: widest, Pow: widest, Sum: widest, Max: widest, Min: widest,
};

/**
 * Ranks of values as far as the nodes tell without a single dimension: enough for the few rewrites that need one.
 * @returns `rankOf` and `visit`, to be called with the nodes in execution order
 */
export function rankTracker(known: Iterable<readonly [string, number]>, constants: ReadonlyMap<string, Tensor>) {
  const ranks = new Map<string, number>(known);
  const rankOf: RankOf = (value) => constants.get(value)?.dims.length ?? ranks.get(value);
  const visit = (node: Node): void => {
    const rank = Object.hasOwn(rules, node.op) ? rules[node.op](node, rankOf) : undefined;
    if (rank === undefined) return;
    for (const output of node.outputs) if (!ranks.has(output)) ranks.set(output, rank);
  };
  return { rankOf, visit };
}
