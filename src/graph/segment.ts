import { bytesOf, sizeOf } from '../tensor.ts';
import type { Graph, Typed, ValueInfo } from './graph.ts';

// A graph cut along its order of execution: parts [from, to) of its nodes, run one after the other, do what the whole does.

type Types = ReadonlyMap<string, Typed>;

/** A value that passes from node to node. */
export interface Passage {
  readonly name: string;
  /** The node that makes it; −1 where it is fed. */
  readonly made: number;
  /** The nodes that read it, in order; an output of the graph is also read by its end, `nodes.length`. */
  readonly reads: readonly number[];
  readonly bytes: number;
}

/** Every value that is fed or made, constants apart. `types` are those of all values. */
export function passages({ inputs, outputs, nodes }: Graph, types: Types): Passage[] {
  const made = new Map(inputs.map(({ name }) => [name, -1])), reads = new Map<string, number[]>();
  const read = (name: string, by: number): void => {
    const known = reads.get(name);
    if (!known) reads.set(name, [by]);
    else if (known.at(-1) !== by) known.push(by);
  };
  nodes.forEach((node, i) => {
    for (const name of node.inputs) read(name, i);
    for (const name of node.outputs) if (name) made.set(name, i);
  });
  for (const { name } of outputs) read(name, nodes.length);
  return [...made].map(([name, at]) => {
    const { type, shape } = types.get(name)!;
    return { name, made: at, reads: reads.get(name) ?? [], bytes: sizeOf(shape) * bytesOf(type) };
  });
}

/**
 * The nodes [from, to) as a graph of their own, with the types of its values: its inputs are the values that others made and it reads,
 * its outputs those it makes and others read, the graph's own among them.
 * @param graph a specialised graph, with the types of all its values
 */
export function segment({ graph, types }: { graph: Graph; types: Types }, from: number, to: number): { graph: Graph; types: Types } {
  const nodes = graph.nodes.slice(from, to), made = new Set(nodes.flatMap(({ outputs }) => outputs)), { constants } = graph;
  const read = new Set(nodes.flatMap(({ inputs }) => inputs)), all = new Set([...made, ...read]);
  const later = new Set([...graph.nodes.slice(to).flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]);
  const infos = (names: readonly string[]): ValueInfo[] =>
    names.map((name) => ({ name, type: types.get(name)!.type, dims: types.get(name)!.shape }));
  const kept = <V>(map: ReadonlyMap<string, V>): Map<string, V> => new Map([...map].filter(([name]) => all.has(name)));
  return {
    graph: {
      name: graph.name, nodes, constants: kept(constants),
      inputs: infos([...read].filter((name) => name && !made.has(name) && !constants.has(name))),
      outputs: infos([...made].filter((name) => name && later.has(name))),
    },
    types: kept(types),
  };
}
