import { sameShape } from '../../tensor.ts';
import { inferShapes } from '../evaluate.ts';
import type { Graph, Node, Typed } from '../graph.ts';
import { weigh, type Weighed } from '../weigh.ts';
import { activations, residuals } from './fuse.ts';
import { linear } from './linear.ts';
import { dead } from './narrow.ts';
import { pads } from './pads.ts';
import { patterns } from './patterns.ts';
import type { Parts, Pass } from './rewrite.ts';
import { scales } from './scale.ts';
import { simplify } from './simplify.ts';
import { sinkTransposes } from './transposes.ts';

/** A graph whose shapes are known, and which nodes of the original each of its nodes stands for beside itself. */
export interface Optimized {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Typed>;
  readonly parts: ReadonlyMap<string, readonly string[]>;
  /** What nodes were, by name, before they lost dead channels; nodes that lost none are not in it. */
  readonly given: ReadonlyMap<string, Weighed>;
}

export interface OptimizeOptions {
  /** Whether layers lose the channels that the zeros of the weights have killed; true when absent. */
  readonly removeDead?: boolean;
}

const sameNode = (a: Node, b: Node): boolean =>
  a.name === b.name && a.op === b.op && String(a.inputs) === String(b.inputs) && String(a.outputs) === String(b.outputs);

/** The same graph where nothing sinks: new records of equal nodes are no change. */
const transposes: Pass = (graph, types) => {
  if (!graph.nodes.some(({ op }) => op === 'Transpose')) return graph;
  const sunk = sinkTransposes(graph, types);
  const same = sunk.nodes.length === graph.nodes.length && sunk.nodes.every((node, i) => sameNode(node, graph.nodes[i]));
  return same ? graph : sunk;
};

/** What is done, in this order. Transposes go first out of the way of what looks for neighbours. */
const passes = { simplify, patterns, linear, transposes, pads, scales, residuals, activations, dead } satisfies Record<string, Pass>;

/** Passes open the way for each other; this many rounds were never needed. */
const MOST_ROUNDS = 10;

interface Now { readonly graph: Graph; readonly types: ReadonlyMap<string, Typed> }

/** Notes what the nodes were that are smaller now. */
function note(given: Map<string, Weighed>, before: Now, after: Now): void {
  const smaller = new Map(after.graph.nodes.map((node) => [node.name, node]));
  for (const node of before.graph.nodes) {
    const now = smaller.get(node.name);
    if (!now || given.has(node.name)) continue;
    const changed = now.outputs.some((name) => !sameShape(before.types.get(name)!.shape, after.types.get(name)!.shape))
      || now.inputs.some((name, i) => before.graph.constants.get(node.inputs[i])?.size !== after.graph.constants.get(name)?.size);
    if (changed) given.set(node.name, weigh(before.graph, before.types, node));
  }
}

/**
 * An equal graph that runs faster: inputs and outputs keep names, order and shapes; zeros in weights stay zeros.
 * @param graph a specialised graph, with the types of all its values
 */
export function optimize(graph: Graph, types: ReadonlyMap<string, Typed>, { removeDead = true }: OptimizeOptions = {}): Optimized {
  const parts: Parts = new Map(), given = new Map<string, Weighed>();
  const chosen = Object.values<Pass>(passes).filter((pass) => removeDead || pass !== dead);
  let now: Now = { graph, types };
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = now.graph;
    for (const pass of chosen) {
      const made = pass(now.graph, now.types, parts);
      if (made === now.graph) continue;
      const next = { graph: made, types: inferShapes(made) };
      if (pass === dead) note(given, now, next);
      now = next;
    }
    if (now.graph === before) break;
  }
  return { ...now, parts, given };
}
