import { expect, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { layerOf, type Layer } from '../../graph/layers.ts';
import { statistics, type Mask } from '../../prune/index.ts';
import type { Environment } from '../record.ts';
import type { Meter, Step, Timed } from './meter.ts';
import { assign, uniformly, type Assignment, type Masked, type Pruning, type Structure } from './structures.ts';

/** Milliseconds at a density: the fraction of the weights that are not zero. */
export type Point = readonly [density: number, ms: number];

/** What one layer costs, in milliseconds of the device of the table. */
export interface LayerCosts {
  readonly name: string;
  /** Name of its weight. */
  readonly weight: string;
  /** As the network was given. */
  readonly givenMs: number;
  /** By structure, in order of density. Structures that save nothing here, or do not fit, are absent: all of them in some layers. */
  readonly points: Readonly<Record<string, readonly Point[]>>;
}

/**
 * What the layers of a network cost on a device, plain data: measured there, it tells anywhere how to prune for it.
 * What the layers leave of `givenMs` is the time of everything that has no weights to prune.
 */
export interface CostTable {
  readonly model: string;
  readonly environment: Environment;
  /** The network with dense kernels only, and as it was given with any. */
  readonly denseMs: number;
  readonly givenMs: number;
  /** Measured over predicted time of whole networks that were allocated by this table; 1 before any was. */
  readonly correction: number;
  readonly layers: readonly LayerCosts[];
}

/** Densities that are measured, the most telling first, for the case that time runs out. */
const GRID = [0.3, 0.1, 0.5, 0.05, 0.7, 0.18];

/** Densities to measure down to `floor`. */
export function densitiesDownTo(floor: number): number[] {
  const above = GRID.filter((density) => density > floor * 1.2);
  return [...above.slice(0, 2), floor, ...above.slice(2)];
}

export interface Measuring {
  readonly meter: Meter;
  readonly graph: Graph;
  readonly layers: readonly Layer[];
  readonly pruning: Pruning;
  readonly structures: readonly Structure[];
  /** Least density of a layer. */
  readonly floor: number;
  /** Milliseconds; at least one point of each structure is measured. */
  readonly limitMs: number;
  readonly onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

interface Measured {
  readonly structure: Structure;
  readonly masks: Masked['masks'];
  readonly steps: ReadonlyMap<string, Step>;
}

/** Whose work a step does: times of steps that belong to one weight are added up. */
export function stepsByWeight(graph: Graph, layers: readonly Layer[], { steps }: Timed): Map<string, Step> {
  const weights = new Set(layers.map(({ weight }) => weight)), owner = new Map<string, string>(), found = new Map<string, Step>();
  for (const node of graph.nodes) {
    const weight = layerOf(graph, node)?.weight;
    if (weight !== undefined && weights.has(weight)) owner.set(node.name, weight);
  }
  for (const step of steps) {
    const weight = [step.name, ...step.parts].map((name) => owner.get(name)).find((name) => name !== undefined);
    if (weight === undefined) continue;
    const before = found.get(weight);
    found.set(weight, {
      ...step, time: step.time + (before?.time ?? 0), choosable: step.choosable || before?.choosable === true,
      narrowed: step.narrowed || before?.narrowed === true, format: before && before.format !== 'dense' ? before.format : step.format,
    });
  }
  return found;
}

/**
 * Measures a cost table: the whole network is pruned in each structure to a few densities, and each layer timed inside of it. The first
 * structure at one density is measured in any case, the others while there is time.
 */
export async function measureCosts(measuring: Measuring): Promise<CostTable> {
  const { meter, graph, layers, structures, floor, limitMs, onProgress } = measuring, start = meter.clock();
  const dense = stepsByWeight(graph, layers, await meter.dense()), givenTimed = await meter.time(graph);
  const given = stepsByWeight(graph, layers, givenTimed), measured: Measured[] = [];
  const grid = densitiesDownTo(floor), jobs = grid.flatMap((density, i) => structures.flatMap((structure) =>
    structure.fixed === undefined ? [{ structure, density }] : i === 0 ? [{ structure, density: structure.fixed }] : []));
  for (const [done, { structure, density }] of jobs.entries()) {
    if (done > 0 && meter.clock() - start > limitMs) break;
    onProgress?.({ stage: `${structure.name} at density ${density}`, done, total: jobs.length });
    const { graph: pruned, masks } = assign(graph, uniformly(layers, structure, density), measuring.pruning);
    const timed = await meter.time(pruned, { removeDead: structure.killsChannels });
    measured.push({ structure, masks, steps: stepsByWeight(graph, layers, timed) });
  }
  onProgress?.({ stage: 'cost table', done: jobs.length, total: jobs.length });
  const editions = [dense, given, ...measured.map(({ steps }) => steps)];
  const denseMs = meter.denseMs(), costs = layers.flatMap((layer): LayerCosts[] => {
    const step = given.get(layer.weight);
    return step ? [costsOf(layer, { step, choosable: isChoosable(layer.weight, editions), measured, denseMs })] : [];
  });
  return {
    model: graph.name, environment: meter.environment, denseMs, givenMs: givenTimed.time * denseMs, correction: 1,
    layers: costs,
  };
}

/**
 * Whether a weight could be stored in more ways than one in any edition: a matrix times one vector has a single dense kernel, and sparse
 * ones only once there are zeros.
 */
function isChoosable(weight: string, editions: readonly ReadonlyMap<string, Step>[]): boolean {
  return editions.some((steps) => steps.get(weight)?.choosable === true);
}

interface Known {
  readonly step: Step;
  readonly choosable: boolean;
  readonly measured: readonly Measured[];
  readonly denseMs: number;
}

function costsOf({ name, weight }: Layer, { step, choosable, measured, denseMs }: Known): LayerCosts {
  const points: Record<string, Point[]> = {}, givenMs = step.time * denseMs;
  for (const { structure, masks, steps } of measured) {
    const mask = masks.get(weight);
    if (mask && (choosable || structure.killsChannels)) {
      (points[structure.name] ??= []).push([densityOf(mask), msOf(steps.get(weight), structure, { givenMs, denseMs })]);
    }
  }
  const useful = Object.entries(points).filter(([, own]) => own.some(([, ms]) => ms < givenMs));
  return { name, weight, givenMs, points: Object.fromEntries(useful.map(([of, own]) => [of, ordered(own)])) };
}

const densityOf = (mask: Mask): number => 1 - statistics(mask).sparsity;

/** In order of density, of each the latest. */
function ordered(points: readonly Point[]): Point[] {
  return [...new Map(points.map((point) => [point[0], point])).values()].sort(([a], [b]) => a - b);
}

/** What was left dense takes as long as before, whatever the clock said. A layer that is gone takes no time. */
function msOf(step: Step | undefined, { killsChannels }: Structure, { givenMs, denseMs }: { givenMs: number; denseMs: number }): number {
  const same = step !== undefined && step.format === 'dense' && !killsChannels;
  return same ? givenMs : Math.min(givenMs, (step?.time ?? 0) * denseMs);
}

/** A network that was allocated and measured. */
interface Lesson extends Pick<Measured, 'masks' | 'steps'> {
  readonly assignments: ReadonlyMap<string, Assignment>;
}

/** The table with one more point for each layer that was pruned, measured inside of a network that was allocated by it. */
export function refined(costs: CostTable, { assignments, masks, steps }: Lesson): CostTable {
  const layers = costs.layers.map((layer): LayerCosts => {
    const structure = assignments.get(layer.weight)?.structure, mask = masks.get(layer.weight);
    const own = structure && layer.points[structure.name];
    if (!own || !mask) return layer;
    const ms = msOf(steps.get(layer.weight), structure, { givenMs: layer.givenMs, denseMs: costs.denseMs });
    return { ...layer, points: { ...layer.points, [structure.name]: ordered([...own, [densityOf(mask), ms]]) } };
  });
  return { ...costs, layers };
}

/**
 * Milliseconds of a layer at a density, from points in order of density, never more than as it was given nor than with more weights:
 * linear between points. Beyond the last it is the slower of two guesses: along the line of the last two points, as the time of a sparse
 * kernel grows with its weights, or straight to the time of all weights. Below the first point nothing is known: Infinity.
 */
export function msAt(points: readonly Point[], givenMs: number, density: number): number {
  if (density >= 1) return givenMs;
  if (density < points[0][0] * (1 - 1e-9)) return Infinity;
  const known = falling(points, givenMs), last = known.length - 1;
  const next = known.findIndex(([at]) => at >= density);
  if (next === 0) return known[0][1];
  if (next > 0) return between(known[next - 1], known[next], density);
  const along = last > 0 ? Math.min(givenMs, between(known[last - 1], known[last], density)) : 0;
  return Math.max(along, between(known[last], [1, givenMs], density));
}

/** What has fewer weights can run as what has more does. */
function falling(points: readonly Point[], givenMs: number): Point[] {
  let least = givenMs;
  return points.toReversed().map(([density, ms]): Point => [density, (least = Math.min(least, ms))]).reverse();
}

function between([x0, y0]: Point, [x1, y1]: Point, x: number): number {
  return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

const isMs = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isPoints = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((point) => Array.isArray(point) && point.length === 2 && point.every(isMs));
const isRecord = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
const isLayer = (value: Partial<LayerCosts> | null): boolean =>
  typeof value?.weight === 'string' && isMs(value.givenMs) && isRecord(value.points) && Object.values(value.points).every(isPoints);

/** Whether it has the shape of a cost table. */
export function isCostTable(costs: unknown): costs is CostTable {
  const { denseMs, givenMs, correction, layers } = (isRecord(costs) ? costs : {}) as Partial<CostTable>;
  return [denseMs, givenMs, correction].every(isMs) && Array.isArray(layers) && layers.every(isLayer);
}

/** @throws BurinError `argument` for what is no cost table, or one of another network */
export function checkCosts(costs: CostTable, layers: readonly Layer[]): void {
  const where = 'option costs';
  expect(isCostTable(costs), { kind: 'argument', where, needs: 'a table as pruneToBudget returns it', got: show(costs) });
  const known = new Set(layers.map(({ weight }) => weight));
  expect(costs.layers.some(({ weight }) => known.has(weight)), {
    kind: 'argument', where, needs: `costs of layers such as ${layers[0]?.name}`, got: `costs of '${costs.model}'`,
    remedy: 'measure this network on the device',
  });
}
