import { BurinError, fail } from '../../expect.ts';
import { specialize } from '../../graph/evaluate.ts';
import type { Types } from '../../graph/channels/index.ts';
import type { Graph, ValueInfo } from '../../graph/graph.ts';
import { opOf } from '../../graph/ops/index.ts';
import type { Shape } from '../../tensor.ts';

export type Shapes = Readonly<Record<string, Shape>>;

/** A graph at one size. */
export interface Sized {
  /** Every shape is known, and what follows from shapes is a constant. */
  readonly graph: Graph;
  readonly types: Types;
  /** Of the inputs. */
  readonly shapes: Shapes;
  /** Whether the graph takes other sizes too. */
  readonly open: boolean;
}

/**
 * Lengths to try for dimensions that are free, rows and columns in turn: multiples of 32 mostly, as networks with five halvings want,
 * and not the same, so that nothing fits by chance.
 */
const examples = [[224, 160], [320, 256], [64, 96], [48, 320], [32, 100], [28, 28], [16, 16], [8, 8], [1, 1]] as const;

const isFree = ({ dims }: ValueInfo): boolean => dims.some((dim) => typeof dim === 'string');

/** Fixes the free dimensions: the first of a value, its batch, as 1; equal names equally. */
function example(inputs: readonly ValueInfo[], lengths: readonly number[]): Shapes {
  const known = new Map<string, number>();
  let next = 0;
  const fix = (dim: string, d: number): number => {
    const length = known.get(dim) ?? (d === 0 ? 1 : lengths[next++ % lengths.length]);
    known.set(dim, length);
    return length;
  };
  return Object.fromEntries(inputs.map(({ name, dims }) => [name, dims.map((dim, d) => (typeof dim === 'string' ? fix(dim, d) : dim))]));
}

/**
 * The graph at the sizes of `shapes`, or, where it leaves dimensions free, at an example that fits.
 * @throws BurinError as `specialize`; `shape` where no example fits.
 */
export function sized(graph: Graph, shapes: Shapes = {}): Sized {
  const free = graph.inputs.filter((info) => isFree(info) && !Object.hasOwn(shapes, info.name));
  const own = Object.fromEntries(graph.inputs.map(({ name, dims }) => [name, shapes[name] ?? (dims as Shape)]));
  if (free.length === 0) return { ...specialize(graph, shapes), shapes: own, open: false };
  let cause: unknown;
  for (const lengths of examples) {
    const tried = { ...own, ...example(free, lengths) };
    try {
      return { ...specialize(graph, tried), shapes: tried, open: true };
    } catch (error) {
      if (!(error instanceof BurinError)) throw error;
      cause ??= error;
    }
  }
  const where = `input '${free[0].name}' [${free[0].dims}]`;
  const remedy = 'give the shapes of the inputs';
  return fail({ kind: 'shape', where, needs: 'a size the network can be looked at in', got: 'none', remedy, cause });
}

/** Names of values that are constants at one size and other ones at other sizes: computed from shapes. */
export function followingSizes(graph: Graph): Set<string> {
  const shaped = new Set<string>(), constant = new Set(graph.constants.keys()).add('');
  for (const node of graph.nodes) {
    const fromShape = opOf(node).fromShapes === true && !constant.has(node.inputs[0]);
    if (!fromShape && !node.inputs.every((name) => constant.has(name))) continue;
    for (const name of node.outputs) {
      constant.add(name);
      if (fromShape || node.inputs.some((input) => shaped.has(input))) shaped.add(name);
    }
  }
  return shaped;
}
