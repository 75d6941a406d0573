import { expect, fail, show } from '../../expect.ts';
import { channelsOf } from '../../graph/channels/index.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { couplingOf, type Coupling, type Touch } from './coupling.ts';
import { sized, type Shapes } from './sizes.ts';

/** Where a group's channels touch a node. */
export interface GroupItem extends Touch {
  /** For every channel of the value, which set of the group it is in; −1 where it is in none of this group. */
  readonly setOf: Int32Array;
}

/**
 * Sets of channels of one make: every set goes or stays as a whole, and touches all items of the group, at its own channels. With k sets
 * gone each item has as many channels fewer as these sets hold of it.
 */
export interface ChannelGroup {
  /** How many sets. */
  readonly sets: number;
  /** Why none of them can go. */
  readonly fixed?: string;
  readonly items: readonly GroupItem[];
}

/** One node that changes with some channels, and at which of them. */
export interface CoupledItem extends Touch {
  readonly indices: readonly number[];
}

/** The classes of a coupling by what they consist of: the values, and how many channels of each. */
function signatures({ channels, first, classOf, fixed }: Coupling): Map<number, string> {
  const parts = new Map<number, string[]>();
  let v = 0;
  for (const name of channels.axes.keys()) {
    const counts = new Map<number, number>(), start = first.get(name)!;
    for (let c = 0; c < channelsOf(channels, name); c++) counts.set(classOf(start + c), (counts.get(classOf(start + c)) ?? 0) + 1);
    for (const [set, count] of counts) {
      const list = parts.get(set);
      if (list) list.push(`${v}:${count}`);
      else parts.set(set, [`${fixed.get(set) ?? ''}|${v}:${count}`]);
    }
    v++;
  }
  return new Map([...parts].map(([set, list]) => [set, list.join()]));
}

/** The groups of a coupling, in the order in which they begin. */
export function groupsOf(coupling: Coupling): ChannelGroup[] {
  const { channels, first, classOf, fixed, touches } = coupling, byMake = new Map<string, Map<number, number>>();
  const places = new Map<number, { group: Map<number, number>; make: string }>();
  for (const [set, make] of signatures(coupling)) {
    const group = byMake.get(make) ?? new Map<number, number>();
    group.set(set, group.size);
    byMake.set(make, group);
    places.set(set, { group, make });
  }
  const items = new Map<string, GroupItem[]>([...byMake.keys()].map((make) => [make, []]));
  for (const touch of touches) {
    const start = first.get(touch.value)!, length = channelsOf(channels, touch.value), found = new Map<string, Int32Array>();
    for (let c = 0; c < length; c++) {
      const { group, make } = places.get(classOf(start + c))!, setOf = found.get(make) ?? new Int32Array(length).fill(-1);
      setOf[c] = group.get(classOf(start + c))!;
      found.set(make, setOf);
    }
    for (const [make, setOf] of found) items.get(make)!.push({ ...touch, setOf });
  }
  return [...byMake].map(([make, group]) => {
    const why = fixed.get(group.keys().next().value!);
    return { sets: group.size, ...(why !== undefined && { fixed: why }), items: items.get(make)! };
  });
}

/**
 * The dependency groups of a network's channels, as in Torch-Pruning: all channels of all values, in sets that have to go together, the
 * sets in groups of one make. Out-channels of a layer are in-channels of every layer that reads them; sums couple what they add, a
 * depthwise layer its two sides, a grouped one the same offsets of each group; concatenations, splits, slices, flattening (NCHW and NHWC)
 * and the like map channels; normalisations and other parameters follow; what mixes channels is fixed, as inputs and outputs are.
 * @param options.shapes of inputs with free dimensions; an example is taken where they are not given
 * @throws BurinError `argument` for a graph that is none; as `specialize` for one that cannot be run.
 */
export function channelGroups(graph: Graph, options: { readonly shapes?: Shapes } = {}): ChannelGroup[] {
  expectGraph(graph);
  return groupsOf(couplingOf(sized(graph, options.shapes)));
}

/** Channels of a node, by its name: on side `side` where it has two (default out, its filters). */
export interface ChannelChoice {
  readonly node: string;
  readonly indices: readonly number[];
  readonly side?: Touch['side'];
}

const isGroups = (groups: unknown): boolean => Array.isArray(groups) && groups.every((group) => Array.isArray(group?.items));

/**
 * What goes with channels of a node: every item that changes, and at which channels.
 * @throws BurinError `argument` for groups and a choice that are none, a node without such channels and channels it does not have.
 */
export function coupledItems(groups: readonly ChannelGroup[], choice: ChannelChoice): CoupledItem[] {
  const where = 'coupledItems';
  expect(isGroups(groups), { kind: 'argument', where, needs: 'groups as channelGroups returns them', got: show(groups) });
  const chosen = typeof choice?.node === 'string' && Array.isArray(choice.indices);
  expect(chosen, { kind: 'argument', where, needs: 'channels as in { node, indices }', got: show(choice) });
  const { node, indices, side } = choice;
  const meant = side ?? sideOf(groups, node);
  const own = groups.flatMap((group) => group.items.filter((item) => item.node === node && item.side === meant));
  if (!own.length) fail({ kind: 'argument', where: `node ${show(node)}`, needs: 'a node that channels pass through', got: 'none' });
  const { length } = own[0].setOf;
  const odd = indices.find((c) => !Number.isInteger(c) || c < 0 || c >= length);
  if (odd !== undefined) fail({ kind: 'argument', where: `node ${show(node)}`, needs: `channels 0 … ${length - 1}`, got: show(odd) });
  return groups.flatMap((group) => {
    const sets = new Set(group.items.filter((item) => own.includes(item)).flatMap(({ setOf }) => indices.map((c) => setOf[c])));
    sets.delete(-1);
    if (sets.size === 0) return [];
    return group.items.map(({ setOf, ...touch }) => ({ ...touch, indices: [...setOf.keys()].filter((c) => sets.has(setOf[c])) }));
  });
}

/** The side of a node that is meant where none is said: the filters of a layer. */
function sideOf(groups: readonly ChannelGroup[], node: string): Touch['side'] | undefined {
  const sides = groups.flatMap(({ items }) => items).filter((item) => item.node === node).map(({ side }) => side);
  return sides.includes('out') ? 'out' : sides[0];
}
