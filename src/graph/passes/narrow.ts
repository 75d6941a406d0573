import { sameShape, Tensor } from '../../tensor.ts';
import { channelsIn, channelsOf, isConstant, range, readersOf, type Channels, type Place } from '../channels/index.ts';
import type { Graph, Node } from '../graph.ts';
import { layerOf, type Layer } from '../layers.ts';
import { freshNames } from '../names.ts';
import { deadIn, mayBeDead, type Dead } from './dead.ts';
import { editOf, type Staying } from './edits.ts';
import { smallerLayer } from './narrow-layer.ts';
import { trimmed, type Pass } from './rewrite.ts';

/** What a constant becomes for `users` of its readers. */
interface Variant { readonly name: string; readonly tensor: Tensor; users: number }

/** A graph that loses channels. */
interface Cut {
  readonly dead: Dead;
  readonly base: Graph;
  /** What constants become, by the names they had. */
  readonly variants: Map<string, Variant[]>;
  /** New constants, by the names asked for. */
  readonly added: Map<string, Variant[]>;
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

const equal = (a: Tensor, b: Tensor): boolean => a === b || (a.type === b.type && sameShape(a.dims, b.dims)
  && Array.prototype.every.call(a.data, (value: number | bigint, i: number) => Object.is(value, b.data[i])));

/** Nodes that want the same content read one tensor. */
function variantIn({ fresh }: Cut, all: Map<string, Variant[]>, [name, tensor]: readonly [string, Tensor]): string {
  const list = all.get(name) ?? [], found = list.find((other) => equal(other.tensor, tensor));
  const variant = found ?? { name: fresh(name), tensor, users: 0 };
  variant.users++;
  if (!found) all.set(name, [...list, variant]);
  return variant.name;
}

/** The constant with another content, by a name that {@link settled} may change. What comes about by itself keeps its name. */
function put(cut: Cut, name: string, tensor: Tensor): string {
  if (!cut.dead.options.following?.has(name)) return variantIn(cut, cut.variants, [name, tensor]);
  cut.expected.set(name, tensor);
  return name;
}

const add = (cut: Cut, name: string, tensor: Tensor): string => variantIn(cut, cut.added, [name, tensor]);

/** A node that links channels, with constants for those that stay. */
function linkedNode(cut: Cut, place: Place): Node {
  const { node } = place, names = [...node.inputs.filter((name) => !isConstant(place, name)), ...node.outputs];
  if (!names.some((name) => loses(cut.dead, name))) return node;
  const edit = editOf(node.op), staying = stayingIn(cut.dead, place), changing = edit.inputs(place);
  const inputs = node.inputs.map((name, i) => (changing.includes(i) && name ? put(cut, name, edit.tensor(place, i, staying)) : name));
  if (node.op !== 'Split' || !changing.includes(1)) return { ...node, inputs };
  const { num_outputs: _, ...attrs } = node.attrs;
  const sizes = node.inputs[1] ? inputs[1] : add(cut, `${node.name}.split`, edit.tensor(place, 1, staying));
  return { ...node, inputs: [inputs[0], sizes], attrs };
}

const borderOf = (node: Node): string => `${node.name}.border`;

/** A layer with fewer channels, and, where a product without bias needs one, the addition behind it. */
function layerNodes(cut: Cut, place: Place, layer: Layer): Node[] {
  const { node } = place, [x, w, b, residual] = node.inputs, { dead } = cut;
  if (!loses(dead, x) && !loses(dead, node.outputs[0])) return [node];
  const small = smallerLayer(dead, place, layer, stayingIn(dead, place)), old = b ? place.graph.constants.get(b)! : undefined;
  const weight = put(cut, w, small.weight), owes = small.bias.some((sum) => sum !== 0);
  const attrs = node.attrs.group === undefined ? node.attrs : { ...node.attrs, group: small.groups };
  const map = small.map && (residual ? put(cut, residual, small.map) : add(cut, borderOf(node), small.map)), vector = [small.bias.length];
  // Layers of one weight without biases are owed the same, so that they get one bias.
  const newBias = `${dead.options.single?.has(w) ? w : node.name}.bias`;
  if (node.op === 'MatMul') {
    const whole: Node = { ...node, inputs: [x, weight], attrs };
    if (!owes) return [whole];
    const between = cut.fresh(`${node.outputs[0]}/product`);
    const bias = add(cut, newBias, new Tensor('float32', small.bias, vector));
    return [
      { ...whole, outputs: [between] },
      { name: cut.fresh(`${node.name}/bias`), op: 'Add', inputs: [between, bias], outputs: node.outputs, attrs: {} },
    ];
  }
  const added = owes || (old && old.size > 1) ? new Tensor('float32', small.bias, vector) : undefined;
  const bias = !added ? b : b ? put(cut, b, added) : add(cut, newBias, added);
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
  /** Constants of which there are several now, for nodes that lost different channels. */
  readonly copied: readonly string[];
  /** How many numbers there are more than before, images added at borders not counted; mostly below 0. */
  readonly growth: number;
}

interface Settled extends Pick<Narrowed, 'copied' | 'growth'> {
  readonly constants: Map<string, Tensor>;
  readonly renamed: ReadonlyMap<string, string>;
}

/** The constants there are now, and final names: the first that an old one becomes has its name where nobody reads that any more. */
function settled({ base, variants, added }: Cut, borders: ReadonlySet<string>): Settled {
  const constants = new Map(base.constants), readers = readersOf(base), renamed = new Map<string, string>(), copied: string[] = [];
  const floats = (tensor: Tensor | undefined): number => (tensor && /^float/.test(tensor.type) ? tensor.size : 0);
  let growth = 0;
  for (const [name, list] of variants) {
    const old = base.constants.get(name), stays = old !== undefined && readers.get(name)! > list.reduce((n, { users }) => n + users, 0);
    if (old && !stays) renamed.set(list[0].name, name);
    if (floats(list[0].tensor) && list.length + (stays ? 1 : 0) > 1) copied.push(name);
    if (!stays) growth -= floats(old);
  }
  for (const [name, list] of [...variants, ...added]) {
    for (const variant of list) {
      constants.set(renamed.get(variant.name) ?? variant.name, variant.tensor);
      if (!borders.has(name)) growth += floats(variant.tensor);
    }
  }
  return { constants, renamed, copied, growth };
}

/**
 * A graph without its dead channels. `base` is the graph that was looked at, or one of which that is a special case: its nodes of the
 * same names are replaced.
 */
export function narrowed(channels: Channels, dead: Dead, base: Graph = channels.graph): Narrowed {
  const cut: Cut = { dead, base, variants: new Map(), added: new Map(), fresh: freshNames(base), expected: new Map() };
  const made = new Map<string, Node[]>();
  for (const node of channels.graph.nodes) {
    const nodes = nodesFor(cut, { ...channels, node }, channels);
    if (nodes.length > 1 || nodes[0] !== node) made.set(node.name, nodes);
  }
  const { renamed, ...rest } = settled(cut, new Set(channels.graph.nodes.map(borderOf)));
  const named = (node: Node): Node => ({ ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) });
  const nodes = base.nodes.flatMap((node) => made.get(node.name)?.map(named) ?? [node]);
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...base.outputs.map(({ name }) => name)]);
  const constants = new Map([...rest.constants].filter(([name]) => used.has(name)));
  return { graph: { ...base, nodes, constants }, expected: cut.expected, copied: rest.copied, growth: rest.growth };
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

