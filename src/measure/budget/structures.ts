import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import { gridFor } from '../../prune/groups.ts';
import { extentsOf, prune, type Criterion, type Extents, type Masks, type PruneOptions } from '../../prune/index.ts';

/** How layers are pruned, without how far one decision reaches and how much goes. The criterion is a record here. */
export interface Pruning extends Omit<PruneOptions, 'criterion' | 'granularity' | 'scope' | 'sparsity' | 'strict'> {
  readonly criterion: Criterion;
}

/** What a layer may lose its weights in: the groups of a granularity at any density, or N kept of every M. */
export interface Structure {
  /** `weight`, `block(4,4)`, `2:4`: the key of cost tables. */
  readonly name: string;
  /** What a group spans; absent for N:M, which is decided weight by weight. */
  readonly extents?: Extents;
  /** The only density it can have, of N:M. */
  readonly fixed?: number;
  /** Whether it takes whole filters or input channels out, so that layers become smaller. */
  readonly killsChannels: boolean;
}

const windows = /^(\d+):(\d+)$/;

/**
 * A structure by name.
 * @throws BurinError `argument` for a name that is neither a granularity nor N:M
 */
export function structureOf(name: string): Structure {
  const [, keep, of] = windows.exec(name) ?? [];
  if (keep !== undefined) return { name, fixed: Number(keep) / Number(of), killsChannels: false };
  const extents = extentsOf(name), [filters, ...rest] = extents;
  return { name, extents, killsChannels: filters === Infinity || rest.every((extent) => extent === Infinity) };
}

export interface Masked {
  readonly graph: Graph;
  readonly masks: Masks;
}

/** Prunes some layers, by weight name, in one structure to a density each; those that it does not fit stay as they are and have no mask. */
export function pruneIn(graph: Graph, structure: Structure, densities: ReadonlyMap<string, number>, pruning: Pruning): Masked {
  const how = structure.fixed === undefined
    ? { granularity: structure.name, sparsity: sparsities(graph, densities) }
    : { scope: structure.name as `${number}:${number}` };
  const { layers: _, exclude: __, ...rest } = pruning;
  const { graph: pruned, masks } = prune(graph, { ...rest, ...how, strict: false, layers: ({ weight }) => densities.has(weight) });
  return { graph: pruned, masks };
}

function sparsities(graph: Graph, densities: ReadonlyMap<string, number>): Record<string, number> {
  const chosen = prunableLayers(graph).filter(({ weight }) => densities.has(weight));
  return Object.fromEntries(chosen.map(({ weight }) => [weight, 1 - densities.get(weight)!]));
}

/** How one layer is to be pruned; without a structure it stays as it is. */
export interface Assignment {
  readonly structure?: Structure;
  /** Fraction of the groups that stay. */
  readonly density: number;
}

/** Prunes every layer as it was assigned, by weight name. */
export function assign(graph: Graph, assignments: ReadonlyMap<string, Assignment>, pruning: Pruning): Masked {
  const byName = new Map<string, { structure: Structure; densities: Map<string, number> }>();
  for (const [weight, { structure, density }] of assignments) {
    if (!structure) continue;
    const entry = byName.get(structure.name) ?? { structure, densities: new Map() };
    byName.set(structure.name, entry);
    entry.densities.set(weight, density);
  }
  let now: Masked = { graph, masks: new Map() };
  for (const { structure, densities } of byName.values()) {
    const next = pruneIn(now.graph, structure, densities, pruning);
    now = { graph: next.graph, masks: new Map([...now.masks, ...next.masks]) };
  }
  return now;
}

/** All layers in one structure at one density, or so that one group is left where that would leave none. */
export function uniformly(layers: readonly Layer[], structure: Structure, density: number): Map<string, Assignment> {
  const { extents } = structure;
  const least = (layer: Layer): number => (extents ? 1 / gridFor(layer, structure.name).groups : 0);
  return new Map(layers.map((layer) => [layer.weight, { structure, density: Math.max(density, least(layer)) }]));
}
