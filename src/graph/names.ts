import type { Graph } from './graph.ts';

/** Gives names that no node and no value of the graph has, nor an earlier call: `name`, `name_1`, … */
export function freshNames(graph: Graph): (name: string) => string {
  const taken = new Set([...graph.inputs.map(({ name }) => name), ...graph.constants.keys()]);
  for (const node of graph.nodes) for (const name of [node.name, ...node.outputs]) taken.add(name);
  return (name) => {
    let candidate = name;
    for (let n = 1; taken.has(candidate); n++) candidate = `${name}_${n}`;
    taken.add(candidate);
    return candidate;
  };
}
