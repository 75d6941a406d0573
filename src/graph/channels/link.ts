import type { Shape } from '../../tensor.ts';
import type { Graph, Node, Typed } from '../graph.ts';
import type { Call } from '../ops/op.ts';

export type Types = ReadonlyMap<string, Typed>;

/** A graph whose values are known by type, and along which axis the channels of each lie. */
export interface Context {
  readonly graph: Graph;
  readonly types: Types;
  /** By computed value; −1 for one without dimensions, which is one channel. */
  readonly axes: ReadonlyMap<string, number>;
}

/** A node as the rules see it. */
export interface Place extends Context {
  readonly node: Node;
}

/**
 * Channel `from[k]` of an input goes to channel `to[k]` of an output, and only along such pairs does anything of that input get
 * there. `spread`: the input has one channel for all of the output.
 */
export interface Link {
  readonly input: number;
  readonly output: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly spread?: true;
  /** 1 for a pair of channels that go together although nothing passes: the channel is multiplied by zero. */
  readonly blocked?: Uint8Array;
}

/** How channels pass through a node. */
export interface Passage {
  /** By a constant weight, along links, or from all to all. */
  readonly kind: 'weighted' | 'linked' | 'mixing';
  /** Of each output. */
  readonly axes: readonly number[];
  readonly links: readonly Link[];
  /** Whether a weight reads along the channels of its input. */
  readonly reads: boolean;
}

/** What a rule finds: the channels' axis in each output, and the links; undefined where the node mixes. */
export type Reader = (place: Place) => Pick<Passage, 'axes' | 'links'> | undefined;

export const shapeOf = ({ types }: Pick<Context, 'types'>, name: string): Shape => types.get(name)?.shape ?? [];
export const axisOf = ({ axes }: Context, name: string): number => axes.get(name) ?? -1;
export const channelsOf = (context: Context, name: string): number => shapeOf(context, name)[axisOf(context, name)] ?? 1;
export const isConstant = ({ graph }: Context, name: string): boolean => graph.constants.has(name);
export const isComputed = (context: Context, name: string): boolean => name !== '' && !isConstant(context, name);

/** The node as its operator sees it. */
export function callOf({ graph, types, node }: Place): Call {
  return { node, inputs: node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) })) };
}

/** `length` numbers from `first` on. */
export function range(length: number, first = 0): Int32Array {
  const list = new Int32Array(length);
  for (let i = 0; i < length; i++) list[i] = first + i;
  return list;
}

/** Channel by channel from the first input to the first output, or to others that are named. */
export function straight(place: Place, input = 0, output = 0): Link {
  const same = range(channelsOf(place, place.node.inputs[input]));
  return { input, output, from: same, to: same };
}

/** Whether the inputs from `first` on are constants or absent. */
export function restIsConstant(place: Place, first = 1): boolean {
  return place.node.inputs.slice(first).every((name) => name === '' || isConstant(place, name));
}
