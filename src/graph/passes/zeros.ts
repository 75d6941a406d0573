import { numbersOf } from '../../tensor.ts';
import { channelsOf, type Channels, type Link, type Passage } from '../channels/index.ts';
import type { Graph, Node } from '../graph.ts';
import { layerOf } from '../layers.ts';
import { operand, type Seen } from './uniform.ts';

// 0 · x is 0 where x is finite. What layers, activations, sums, pools and the like make of finite numbers is taken to be finite, as every
// kernel takes it that skips zero weights; what lies behind a logarithm or a quotient is not.

/** Operators that make infinities or NaN of ordinary numbers. */
const odd: ReadonlySet<string> = new Set([
  'Log', 'Reciprocal', 'Mod', 'Pow', 'Sqrt', 'Exp', 'Tan', 'Asin', 'Acos', 'Acosh', 'Atanh', 'Sinh', 'Cosh',
  'ReduceLogSum', 'ReduceLogSumExp', 'ReduceProd',
]);

const mayDivideByZero = (graph: Graph, { inputs: [, by] }: Node): boolean =>
  !graph.constants.has(by) || Array.prototype.includes.call(numbersOf(graph.constants.get(by)!), 0);

/** The values that are taken to be finite: neither an odd operator nor a constant that is not, weights apart, is among what makes them. */
export function finiteIn({ graph }: Pick<Channels, 'graph'>): ReadonlySet<string> {
  const finite = new Set(['', ...graph.inputs.map(({ name }) => name)]), known = new Map<string, boolean>();
  const isFinite = (name: string): boolean => {
    const tensor = graph.constants.get(name);
    const all = known.get(name) ?? (tensor !== undefined && Array.prototype.every.call(numbersOf(tensor), Number.isFinite));
    known.set(name, all);
    if (all) finite.add(name);
    return all;
  };
  for (const node of graph.nodes) {
    const weight = layerOf(graph, node)?.weight, makes = node.op === 'Div' ? mayDivideByZero(graph, node) : odd.has(node.op);
    const passes = !makes && node.inputs.every((name) => finite.has(name) || name === weight || isFinite(name));
    if (passes) for (const name of node.outputs) finite.add(name);
  }
  return finite;
}

/**
 * For each channel of a product, the first operand that is 0 everywhere, so that the others do not matter; −1 where there is none.
 * Undefined for what is no product.
 */
export function zeroedBy(seen: Seen): Int32Array | undefined {
  const { node, passage } = seen;
  if (node.op !== 'Mul' || passage.kind !== 'linked') return undefined;
  const by = new Int32Array(channelsOf(seen, node.outputs[0])).fill(-1), operands = node.inputs.map((_, i) => operand(seen, i));
  const tame = node.inputs.map((name) => seen.finite(name));
  return by.map((_, c) => {
    const zero = operands.findIndex((numbers) => numbers[c] === 0);
    return operands.every((numbers, i) => i === zero || tame[i] || Number.isFinite(numbers[c])) ? zero : -1;
  });
}

/** The channels of a graph where nothing passes a product but the zeros it is zero by. */
export function withoutZeroed(channels: Channels, seenAt: (node: Node) => Seen): Channels {
  const passages = new Map<Node, Passage>(channels.passages);
  for (const [node, passage] of channels.passages) {
    const by = node.op === 'Mul' ? zeroedBy(seenAt(node)) : undefined;
    if (!by?.some((i) => i >= 0)) continue;
    const links = passage.links.map((link): Link => ({
      ...link, blocked: Uint8Array.from(link.to, (c) => (by[c] >= 0 && by[c] !== link.input ? 1 : 0)),
    }));
    passages.set(node, { ...passage, links });
  }
  return { ...channels, passages };
}
