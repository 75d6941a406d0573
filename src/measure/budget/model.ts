import { msAt, type CostTable, type LayerCosts } from './costs.ts';
import { knapsack, type Option } from './knapsack.ts';
import type { Average, Scored, ShareTable } from './shares.ts';
import type { Assignment, Structure } from './structures.ts';

/** One way to prune one layer: what it costs in ms and what it is worth. */
export interface Treatment extends Option, Assignment {}

interface ModelLayer {
  readonly costs: LayerCosts;
  readonly treatments: readonly Treatment[];
}

/** What a cost table and the scores say about a network: every way to prune its layers, with what each costs and keeps. */
export interface Model {
  readonly layers: readonly ModelLayer[];
  /** Milliseconds of everything that has no treatments. */
  readonly fixedMs: number;
  readonly unitMs: number;
}

export interface Allocation {
  /** By weight name. */
  readonly assignments: ReadonlyMap<string, Assignment>;
  readonly costs: ReadonlyMap<string, number>;
  /** What the model says of the whole network. */
  readonly predictedMs: number;
}

export interface Modelled {
  readonly costs: CostTable;
  readonly scored: ReadonlyMap<string, Scored>;
  readonly shares: ShareTable;
  readonly structures: readonly Structure[];
  readonly average: Average;
  readonly floor: number;
}

/** Parts of the dense time that costs are rounded up to. */
const UNITS = 8192;

export function modelOf(modelled: Modelled): Model {
  const { costs, scored } = modelled;
  const known = costs.layers.filter(({ weight }) => scored.has(weight));
  const layers = known.map((own) => ({ costs: own, treatments: treatmentsOf(own, modelled) }));
  const fixedMs = costs.givenMs - layers.reduce((sum, { costs: { givenMs } }) => sum + givenMs, 0);
  return { layers, fixedMs: Math.max(0, fixedMs), unitMs: costs.denseMs / UNITS };
}

function treatmentsOf({ givenMs, weight, points }: LayerCosts, modelled: Modelled): Treatment[] {
  const { scored, shares, structures, average, floor } = modelled, { total } = scored.get(weight)!;
  const found: Treatment[] = [{ density: 1, cost: givenMs, value: average.value(1, total) }];
  for (const structure of structures) {
    const own = Object.hasOwn(points, structure.name) ? points[structure.name] : undefined;
    for (const { density, share } of own ? shares.get(weight)!.get(structure.name) ?? [] : []) {
      const cost = density < floor ? Infinity : msAt(own!, givenMs, density);
      // A layer that keeps nothing says nothing: the network would be cut in two.
      if (cost < givenMs && share > 0) found.push({ structure, density, cost, value: average.value(share, total) });
    }
  }
  return found;
}

function allocationOf({ layers, fixedMs }: Model, picks: readonly Treatment[]): Allocation {
  const byWeight = <T>(value: (pick: Treatment) => T): Map<string, T> =>
    new Map(picks.map((pick, l) => [layers[l].costs.weight, value(pick)]));
  return {
    assignments: byWeight(({ structure, density }) => ({ structure, density })), costs: byWeight(({ cost }) => cost),
    predictedMs: picks.reduce((sum, { cost }) => sum + cost, fixedMs),
  };
}

/** Where nothing is as fast as asked for, this much more than the least time is allowed: it keeps far more, and no clock sees it. */
const SLACK = 0.01;

/** What keeps the most within a budget, by the model; close to the fastest there is where nothing is as fast. */
export function allocate(model: Model, budgetMs: number): Allocation {
  const allowed = Math.max(budgetMs, fastestMs(model) * (1 + SLACK)) - model.fixedMs;
  const picks = knapsack(model.layers.map(({ treatments }) => treatments), allowed, model.unitMs)!;
  return allocationOf(model, picks.map((pick, l) => model.layers[l].treatments[pick]));
}

/** The least that the whole network can take. */
export function fastestMs({ layers, fixedMs }: Model): number {
  return layers.reduce((sum, { treatments }) => sum + treatments.reduce((least, { cost }) => Math.min(least, cost), Infinity), fixedMs);
}

/** What the model says of a network whose layers have one structure and one density; less than what is known counts as the least known. */
export function uniformMs({ layers, fixedMs }: Model, { name }: Structure, density: number): number {
  return layers.reduce((sum, { costs: { points, givenMs } }) => {
    const own = points[name];
    return sum + (own ? msAt(own, givenMs, Math.max(density, own[0][0])) : givenMs);
  }, fixedMs);
}

/** The greatest density of a uniform network within a budget, not below `floor`. */
export function uniformDensity(model: Model, structure: Structure, { budgetMs, floor }: { budgetMs: number; floor: number }): number {
  let low = floor, high = 1;
  if (uniformMs(model, structure, high) <= budgetMs) return high;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (uniformMs(model, structure, middle) <= budgetMs) low = middle;
    else high = middle;
  }
  return low;
}

/** What the model says of an allocation that another table made. */
export function predict({ layers, fixedMs }: Model, assignments: Allocation['assignments']): number {
  return layers.reduce((sum, { costs: { weight, points, givenMs } }) => {
    const { structure, density } = assignments.get(weight) ?? { density: 1 }, own = structure && points[structure.name];
    return sum + (own ? msAt(own, givenMs, density) : givenMs);
  }, fixedMs);
}
