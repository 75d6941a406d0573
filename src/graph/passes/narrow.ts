import { Tensor } from '../../tensor.ts';
import { channelsIn, channelsOf, isConstant, range, readersOf, type Channels, type Place } from '../channels/index.ts';
import type { Graph, Node } from '../graph.ts';
import { layerOf, type Layer } from '../layers.ts';
import { freshNames } from '../names.ts';
import { deadIn, mayBeDead, type Dead } from './dead.ts';
import { editOf, type Staying } from './edits.ts';
import { smallerLayer } from './narrow-layer.ts';
import { trimmed, type Pass } from './rewrite.ts';

/** A graph that loses channels. */
export interface Cut {
  readonly dead: Dead;
  readonly constants: Map<string, Tensor>;
  /** How many nodes and outputs read a name. */
  readonly readers: ReadonlyMap<string, number>;
  readonly fresh: (name: string) => string;
  /** What constants have to be that follow from sizes, by name. */
  readonly expected: Map<string, Tensor>;
}

/** Whether a value loses channels. */
const loses = ({ drop }: Dead, name: string): boolean => drop.get(name)?.includes(1) === true;

/** The channels of a value that stay. */
export function stayingIn({ drop }: Dead, place: Place): Staying {
  return (name) => {
    const flags = drop.get(name), all = range(channelsOf(place, name));
    return Array.from(flags ? all.filter((c) => !flags[c]) : all);
  };
}

/** The constant with another content: under its own name where nobody else reads it, or where it comes about by itself. */
function put({ dead, constants, readers, fresh, expected }: Cut, name: string, tensor: Tensor): string {
  if (dead.options.following?.has(name)) {
    expected.set(name, tensor);
    return name;
  }
  const own = readers.get(name) === 1 && constants.has(name) ? name : fresh(name);
  constants.set(own, tensor);
  return own;
}

/** A node that links channels, with constants for those that stay. */
function linkedNode(cut: Cut, place: Place): Node {
  const { node } = place, names = [...node.inputs.filter((name) => !isConstant(place, name)), ...node.outputs];
  if (!names.some((name) => loses(cut.dead, name))) return node;
  const edit = editOf(node.op), staying = stayingIn(cut.dead, place), changing = edit.inputs(place);
  const inputs = node.inputs.map((name, i) => (changing.includes(i) && name ? put(cut, name, edit.tensor(place, i, staying)) : name));
  if (node.op !== 'Split' || !changing.includes(1)) return { ...node, inputs };
  const { num_outputs: _, ...attrs } = node.attrs;
  const sizes = node.inputs[1] ? inputs[1] : put(cut, `${node.name}.split`, edit.tensor(place, 1, staying));
  return { ...node, inputs: [inputs[0], sizes], attrs };
}

/** A layer with fewer channels, and, where a product without bias needs one, the addition behind it. */
function layerNodes(cut: Cut, place: Place, layer: Layer): Node[] {
  const { node } = place, [x, w, b, residual] = node.inputs, { dead } = cut;
  if (!loses(dead, x) && !loses(dead, node.outputs[0])) return [node];
  const small = smallerLayer(dead, place, layer, stayingIn(dead, place)), old = b ? place.graph.constants.get(b)! : undefined;
  const weight = put(cut, w, small.weight), owes = small.bias.some((sum) => sum !== 0);
  const attrs = node.attrs.group === undefined ? node.attrs : { ...node.attrs, group: small.groups };
  const map = small.map && put(cut, residual || `${node.name}.border`, small.map), vector = [small.bias.length];
  if (node.op === 'MatMul') {
    const whole: Node = { ...node, inputs: [x, weight], attrs };
    if (!owes) return [whole];
    const between = cut.fresh(`${node.outputs[0]}/product`);
    const bias = put(cut, `${node.name}.bias`, new Tensor('float32', small.bias, vector));
    return [
      { ...whole, outputs: [between] },
      { name: cut.fresh(`${node.name}/bias`), op: 'Add', inputs: [between, bias], outputs: node.outputs, attrs: {} },
    ];
  }
  const added = owes || (old && old.size > 1) ? new Tensor('float32', small.bias, vector) : undefined;
  const bias = added ? put(cut, b || `${node.name}.bias`, added) : b;
  const gain = added && node.op === 'Gemm' ? { ...attrs, beta: 1 } : attrs;
  return [{ ...node, inputs: trimmed([x, weight, bias, map ?? residual]), attrs: gain }];
}

/** The nodes that `node` becomes; itself where it loses nothing. */
function nodesFor(cut: Cut, place: Place, channels: Channels): Node[] {
  const { kind } = channels.passages.get(place.node)!;
  if (kind === 'mixing') return [place.node];
  return kind === 'linked' ? [linkedNode(cut, place)] : layerNodes(cut, place, layerOf(place.graph, place.node)!);
}

export interface Narrowed {
  readonly graph: Graph;
  /** What constants that follow from sizes have to be in it, by name, where they are to be others. */
  readonly expected: ReadonlyMap<string, Tensor>;
}

/**
 * A graph without its dead channels. `base` is the graph that was looked at, or one of which that is a special case: its nodes of the
 * same names are replaced.
 */
export function narrowed(channels: Channels, dead: Dead, base: Graph = channels.graph): Narrowed {
  const cut: Cut = {
    dead, constants: new Map(base.constants), readers: readersOf(base), fresh: freshNames(base), expected: new Map(),
  };
  const made = new Map<string, Node[]>();
  for (const node of channels.graph.nodes) {
    const nodes = nodesFor(cut, { ...channels, node }, channels);
    if (nodes.length > 1 || nodes[0] !== node) made.set(node.name, nodes);
  }
  const nodes = base.nodes.flatMap((node) => made.get(node.name) ?? [node]);
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...base.outputs.map(({ name }) => name)]);
  const constants = new Map([...cut.constants].filter(([name]) => used.has(name)));
  return { graph: { ...base, nodes, constants }, expected: cut.expected };
}

export const losesAny = ({ drop }: Dead): boolean => [...drop.values()].some((flags) => flags.includes(1));

/**
 * Takes channels out that no output depends on, and channels that are one number or one image whatever the network is fed, which go into
 * what the layers that read them add. Layers, sums and activations between them become smaller; no node goes, and every weight keeps
 * its name.
 */
export const dead: Pass = (graph, types) => {
  if (!mayBeDead({ graph })) return graph;
  const channels = channelsIn(graph, types), found = deadIn(channels, { maps: true, open: false });
  return losesAny(found) ? narrowed(channels, found).graph : graph;
};

