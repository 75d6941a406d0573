import { channelsIn, channelsOf } from '../../graph/channels/index.ts';
import type { Node } from '../../graph/graph.ts';
import { layerOf } from '../../graph/layers.ts';
import type { Dead } from '../../graph/passes/dead.ts';
import { sizeOfNetwork } from '../../graph/params.ts';
import type { Shape } from '../../tensor.ts';
import type { Sized } from './sizes.ts';

/** What a value lost. */
export interface RemovedChannels {
  /** Name of the value and of the node that makes it. */
  readonly value: string;
  readonly node: string;
  readonly op: string;
  /** Channels, before and after. */
  readonly before: number;
  readonly after: number;
}

/** Channels that could go but for an operator that holds them. */
export interface KeptChannels {
  readonly value: string;
  /** Numbers of the channels in the smaller network. */
  readonly channels: readonly number[];
  readonly why: string;
}

/** What removal came to: numbers before and after, and what stayed. */
export interface RemovalReport {
  /** Shapes of the inputs at which `macs` are counted. */
  readonly shapes: Readonly<Record<string, Shape>>;
  /** Whether the network takes other sizes too: then no images were added. */
  readonly open: boolean;
  readonly params: { readonly before: number; readonly after: number };
  /** Multiply-adds of dense layers. */
  readonly macs: { readonly before: number; readonly after: number };
  /** Values that became smaller, in execution order. */
  readonly removed: readonly RemovedChannels[];
  readonly kept: readonly KeptChannels[];
  /** Images that were added for channels which are constant but at the border, by layer. */
  readonly borders: readonly { readonly layer: string; readonly elements: number }[];
}

interface Removal { readonly before: Sized; readonly after: Sized; readonly dead: Dead }

export function reportOf({ before, after, dead }: Removal): RemovalReport {
  const [was, is] = [before, after].map(({ graph, types }) => sizeOfNetwork(graph, types));
  return {
    shapes: before.shapes, open: before.open,
    params: { before: was.params, after: is.params }, macs: { before: was.macs, after: is.macs },
    removed: removedIn(before, after), kept: keptIn(dead),
    borders: after.graph.nodes.flatMap((node) => bordersOf(before, after, node)),
  };
}

function removedIn(before: Sized, after: Sized): RemovedChannels[] {
  const [was, is] = [before, after].map(({ graph, types }) => channelsIn(graph, types));
  return before.graph.nodes.flatMap(({ name: node, op, outputs }) => outputs.flatMap((value) => {
    if (!is.types.has(value)) return [];
    const [all, left] = [channelsOf(was, value), channelsOf(is, value)];
    return left < all ? [{ value, node, op, before: all, after: left }] : [];
  }));
}

/** Reasons with their channels together. */
function keptIn({ kept }: Dead): KeptChannels[] {
  return [...kept].flatMap(([value, reasons]) => {
    const channels = new Map<string, number[]>();
    for (const [channel, why] of reasons) channels.set(why, [...(channels.get(why) ?? []), channel]);
    return [...channels].map(([why, list]) => ({ value, channels: list.sort((a, b) => a - b), why }));
  });
}

function bordersOf(before: Sized, { graph }: Sized, node: Node): { layer: string; elements: number }[] {
  const added = layerOf(graph, node) ? graph.constants.get(node.inputs[3]) : undefined;
  const old = before.graph.nodes.find(({ name }) => name === node.name)?.inputs[3];
  return added && !(old && before.graph.constants.has(old)) ? [{ layer: node.name, elements: added.size }] : [];
}
