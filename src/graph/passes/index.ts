import type { Graph, Typed } from '../graph.ts';
import { inferShapes } from '../evaluate.ts';
import { sinkTransposes } from './transposes.ts';
export function optimize(graph: Graph, types: ReadonlyMap<string, Typed>): { graph: Graph; types: ReadonlyMap<string, Typed>; parts: ReadonlyMap<string, readonly string[]> } {
  const g = sinkTransposes(graph, types);
  return { graph: g, types: inferShapes(g), parts: new Map() };
}
