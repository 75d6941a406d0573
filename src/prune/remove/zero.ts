import { readersOf } from '../../graph/channels/index.ts';
import type { Graph, Node } from '../../graph/graph.ts';
import { fromOihw, layerOf, type Layer } from '../../graph/layers.ts';
import { freshNames } from '../../graph/names.ts';
import { Tensor } from '../../tensor.ts';
import type { ChannelGroup, GroupItem } from './groups.ts';

/** What dies of a group: one byte a set. */
export interface Dying {
  readonly group: ChannelGroup;
  readonly marks: Uint8Array;
}

/** Which inputs of a node have to be zero for its channel to be: added constants, and scale and shift of normalisations. */
const shifts: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2], InstanceNormalization: [1, 2], Add: [0, 1], Sub: [0, 1], Sum: [0, 1, 2, 3, 4, 5, 6, 7],
};

/** The channels of an item that die. */
const dyingOf = ({ setOf }: GroupItem, marks: Uint8Array): number[] =>
  [...setOf.keys()].filter((c) => setOf[c] >= 0 && marks[setOf[c]] === 1);

/** A copy with zeros at places along an axis. */
function withZeros({ type, data, dims }: Tensor, axis: number, places: readonly number[]): Tensor {
  const inner = dims.slice(axis + 1).reduce((n, dim) => n * dim, 1), outer = dims.slice(0, axis).reduce((n, dim) => n * dim, 1);
  const copy = data.slice() as Float32Array;
  for (let o = 0; o < outer; o++) for (const c of places) copy.fill(0, (o * dims[axis] + c) * inner, (o * dims[axis] + c + 1) * inner);
  return new Tensor(type, copy, dims);
}

/** A copy of a layer's weight without these filters. */
function withoutFilters({ type, data, dims }: Tensor, layer: Layer, filters: readonly number[]): Tensor {
  const row = data.length / layer.dims[0], kept = new Uint8Array(data.length).fill(1);
  for (const o of filters) kept.fill(0, o * row, (o + 1) * row);
  const stored = fromOihw(kept, layer), copy = data.slice() as Float32Array;
  for (let i = 0; i < copy.length; i++) if (stored[i] === 0) copy[i] = 0;
  return new Tensor(type, copy, dims);
}

/** The network with zeros in all that makes the dying channels. Constants that another node reads for other channels are not touched. */
export function zeroed(graph: Graph, dying: readonly Dying[]): Graph {
  const constants = new Map(graph.constants), readers = readersOf(graph), fresh = freshNames(graph);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const renamed = new Map<string, string>();
  /** Puts zeros into input `name` of a node, under a name of its own where others read it too. */
  const clear = (node: Node, name: string, axis: number, channels: readonly number[]): void => {
    const key = `${node.name} ${name}`, own = renamed.get(key) ?? (readers.get(name) === 1 ? name : fresh(name));
    renamed.set(key, own);
    constants.set(own, withZeros(constants.get(own) ?? constants.get(name)!, axis, channels));
    nodes.set(node.name, { ...node, inputs: node.inputs.map((input) => (input === name ? own : input)) });
  };
  for (const { group, marks } of dying) {
    for (const item of group.items) {
      const channels = dyingOf(item, marks), node = nodes.get(item.node)!;
      if (channels.length === 0 || (item.side !== 'out' && item.side !== 'param')) continue;
      const layer = item.side === 'out' ? layerOf(graph, node) : undefined;
      if (layer) constants.set(layer.weight, withoutFilters(constants.get(layer.weight)!, layer, channels));
      for (const { name, axis } of layer ? item.constants.slice(1) : item.constants) {
        const shifting = layer || shifts[item.op]?.includes(node.inputs.indexOf(renamed.get(`${node.name} ${name}`) ?? name));
        if (shifting && graph.constants.has(name)) clear(nodes.get(item.node)!, name, axis, channels);
      }
    }
  }
  return { ...graph, nodes: graph.nodes.map(({ name }) => nodes.get(name)!), constants };
}
