import { numbersOf } from '../../tensor.ts';
import type { Graph, Node, Typed } from '../graph.ts';
import { inverse, isIdentity, type Permutation, permuteList } from '../permute.ts';
import { rules } from './transpose-rules.ts';
import { longs, make, movesOnlyOnes, newSink, permutePads, shapeOf, type Sink, typed, viewOf } from './transpose-sink.ts';

/**
 * Removes the Transposes a change of layout leaves behind: each one is pushed down through operators that do not mind (element by element,
 * Concat, Split, Slice, Pad, Softmax, reductions, Resize) until it meets its inverse or an operator that needs it. What only moves
 * dimensions of length 1 becomes a Reshape. A Transpose between a Pad and a convolution or pool goes in front of the Pad, which can then
 * be folded.
 * @param types of every value of `graph`. Values that stay keep their names, inputs and outputs their layout; results are equal bit for bit
 * up to the order of sums in reductions.
 */
export function sinkTransposes(graph: Graph, types: ReadonlyMap<string, Typed>): Graph {
  const sink = newSink(graph, types);
  for (const node of graph.nodes) visit(sink, node);
  for (const { name } of graph.outputs) keepName(sink, name);
  const kept = new Set(graph.outputs.map(({ name }) => name));
  const nodes = liftOverPads(sink, kept).map((node) => asReshape(sink, node));
  const used = new Set([...kept, ...nodes.flatMap((node) => node.inputs)]);
  return { ...graph, nodes, constants: new Map([...sink.constants].filter(([name]) => used.has(name))) };
}

function visit(sink: Sink, node: Node): void {
  if (node.op === 'Transpose') return look(sink, node);
  const pushed = Object.hasOwn(rules, node.op) && node.inputs.some((name) => viewOf(sink, name)) ? rules[node.op](sink, node) : undefined;
  if (!pushed) {
    sink.nodes.push({ ...node, inputs: node.inputs.map((name) => make(sink, name)) });
    return;
  }
  const outputs = node.outputs.map((name, i) => {
    const { type, shape } = typed(sink, name);
    if (isIdentity(pushed.perms[i])) return name;
    const source = sink.fresh(`${name}/permuted`);
    sink.types.set(source, { type, shape: permuteList(shape, inverse(pushed.perms[i])) });
    sink.views.set(name, { source, perm: pushed.perms[i] });
    return source;
  });
  sink.nodes.push({ ...node, op: pushed.op ?? node.op, attrs: pushed.attrs ?? node.attrs, inputs: pushed.inputs, outputs });
}

/** A Transpose only becomes a way to look at its input's source. */
function look(sink: Sink, { name, inputs: [input], outputs: [output], attrs }: Node): void {
  sink.labels.set(output, name);
  const { source, perm } = sink.views.get(input) ?? { source: input, perm: shapeOf(sink, input).map((_, d) => d) };
  const given = (attrs.perm as Permutation | undefined) ?? perm.map((_, d) => perm.length - 1 - d);
  sink.views.set(output, { source, perm: permuteList(perm, given) });
}

/** Sees to it that a graph output is computed under its own name. */
function keepName(sink: Sink, name: string): void {
  const made = make(sink, name);
  if (made !== name) sink.nodes.push({ name: sink.fresh(`${name}/Identity`), op: 'Identity', inputs: [made], outputs: [name], attrs: {} });
}

/** A Transpose that moves only dimensions of length 1 is a Reshape. */
function asReshape(sink: Sink, node: Node): Node {
  if (node.op !== 'Transpose') return node;
  const shape = shapeOf(sink, node.inputs[0]);
  const perm = node.attrs.perm as Permutation;
  if (!movesOnlyOnes(shape, perm)) return node;
  const target = longs(sink, `${node.name}/shape`, permuteList(shape, perm));
  return { ...node, op: 'Reshape', inputs: [node.inputs[0], target], attrs: { allowzero: 1 } };
}

/** Operators that padding can be folded into, or that want their input as it comes out of a Pad. */
const windowed = new Set(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool']);

/** Transpose(Pad(x)) in front of a window becomes Pad(Transpose(x)). */
function liftOverPads(sink: Sink, kept: ReadonlySet<string>): Node[] {
  const readers = new Map<string, Node[]>();
  for (const node of sink.nodes) for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node]);
  const lifted = new Map<Node, Node>();
  for (const pad of sink.nodes) {
    const [reader, ...others] = readers.get(pad.outputs[0]) ?? [];
    const pads = sink.constants.get(pad.inputs[1]);
    if (pad.op !== 'Pad' || reader?.op !== 'Transpose' || others.length > 0) continue;
    if (kept.has(pad.outputs[0]) || kept.has(reader.outputs[0])) continue;
    if (!pads || pad.inputs[3] || !(readers.get(reader.outputs[0]) ?? []).every(({ op }) => windowed.has(op))) continue;
    const perm = reader.attrs.perm as Permutation;
    const { type, shape } = typed(sink, pad.inputs[0]);
    const moved = sink.fresh(`${pad.inputs[0]}/permuted`);
    sink.types.set(moved, { type, shape: permuteList(shape, perm) });
    const swapped = longs(sink, `${pad.name}/pads`, permutePads(Array.from(numbersOf(pads)), perm));
    lifted.set(pad, { ...reader, inputs: [pad.inputs[0]], outputs: [moved] });
    lifted.set(reader, { ...pad, inputs: [moved, swapped, ...pad.inputs.slice(2)], outputs: reader.outputs });
  }
  return sink.nodes.map((node) => lifted.get(node) ?? node);
}
