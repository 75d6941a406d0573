import { expect } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Masks } from '../../prune/index.ts';
import { fill, shapeOf } from '../feeds.ts';
import { number } from '../words.ts';
import { approach, nearest, type Attempt } from './approach.ts';
import { checkCosts, measureCosts, refined, stepsByWeight, type CostTable } from './costs.ts';
import { cares, openMeter, type Care, type Meter } from './meter.ts';
import type { Built, Job } from './job.ts';
import { allocate, fastestMs, modelOf, predict, type Allocation, type Model } from './model.ts';
import { settingsOf, type BudgetOptions, type Settings } from './options.ts';
import type { BudgetReport, Outcome } from './record.ts';
import { reportOf } from './report.ts';
import { averages, repeating, scoresOf, shareTable } from './shares.ts';
import { assign, type Masked } from './structures.ts';
import { uniformRows } from './uniform.ts';

/** What `pruneToBudget` returns. */
export interface Budgeted {
  /** The same network with zeros in its weights, which stay dense tensors. */
  readonly graph: Graph;
  /** By weight name; layers that stay as they were have none. */
  readonly masks: Masks;
  readonly report: BudgetReport;
  /** What was measured, to be used again: for another budget, or elsewhere for this device. */
  readonly costs: CostTable;
}

/**
 * Prunes a network so that it meets a time budget on this device with the least score lost: measures what each layer takes in each
 * granularity at a few densities, picks granularity and density layer by layer (the multiple-choice knapsack), measures the whole
 * network and corrects, until it takes the time asked for. `graph` is not modified.
 *
 * @throws BurinError `argument` for options that do not fit; `limit` where no pruning is as fast, unless `strict` is false
 */
export async function pruneToBudget(graph: Graph, options: BudgetOptions): Promise<Budgeted> {
  const settings = settingsOf(options), { costs, verify } = settings;
  return budgetOn(graph, settings, costs && !verify ? undefined : () => meterFor(graph, settings));
}

function meterFor(graph: Graph, { device, feeds: given }: Settings): Promise<Meter> {
  const shapes = Object.fromEntries(graph.inputs.map((input) =>
    [input.name, shapeOf(input, given?.[input.name]?.dims ?? given?.[input.name]?.shape ?? device.shapes?.[input.name])]));
  const feeds = given ?? Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapes[input.name])]));
  return openMeter(graph, { ...device, shapes, feeds });
}

/** `pruneToBudget` on a device that `open` makes; without one by the cost table alone. */
export async function budgetOn(graph: Graph, settings: Settings, open?: () => Promise<Meter>): Promise<Budgeted> {
  const scored = scoresOf(graph, settings.pruning), layers = [...scored.values()].map(({ layer }) => layer);
  expect(layers.length > 0, { kind: 'argument', where: `budget of '${graph.name}'`, needs: 'layers to prune', got: 'none' });
  if (settings.costs) checkCosts(settings.costs, layers);
  const meter = await open?.();
  try {
    const pruning = repeating(settings.pruning, scored);
    const costs = settings.costs ?? await measureCosts({ ...settings, pruning, meter: meter!, graph, layers });
    const job = jobOf(graph, { settings, scored, costs, meter });
    return meter ? await measured(job, meter) : await modelled(job);
  } finally {
    meter?.release();
  }
}

function jobOf(graph: Graph, known: Pick<Job, 'settings' | 'scored' | 'costs' | 'meter'>): Job {
  const { settings, scored, costs, meter } = known, { structures, pruning, floor } = settings;
  const shares = shareTable(graph, scored, structures, pruning), average = averages[settings.average];
  const modelFor = (table: CostTable): Model => modelOf({ costs: table, scored, shares, structures, average, floor });
  return { graph, ...known, modelFor, model: modelFor(costs), targetMs: targetOf(settings, costs, meter) };
}

/** What the network may take, in milliseconds of the cost table. A budget in milliseconds follows the mood of the machine. */
function targetOf({ asked }: Settings, { denseMs }: CostTable, meter: Meter | undefined): () => number {
  if ('speedup' in asked) return () => denseMs / asked.speedup;
  return () => (meter ? (asked.budgetMs * denseMs) / meter.denseMs() : asked.budgetMs);
}

type Whole = Built & { masked: Masked };

const unpruned = (job: Job): Whole => ({
  masked: { graph: job.graph, masks: new Map() },
  allocation: { assignments: new Map(), costs: new Map(), predictedMs: job.costs.givenMs },
});

function build({ graph, settings }: Job, allocation: Allocation): Whole {
  return { allocation, masked: assign(graph, allocation.assignments, settings.pruning) };
}

/** By the cost table alone. */
async function modelled(job: Job): Promise<Budgeted> {
  const { costs, model } = job, target = job.targetMs(), allowed = target / costs.correction;
  if (costs.givenMs <= target) return finish(job, { built: unpruned(job), outcome: 'given' });
  const built = build(job, allocate(model, allowed)), met = built.allocation.predictedMs <= allowed * (1 + 1e-9);
  return finish(job, { built, outcome: met ? 'met' : 'fastest' });
}

/** Allocates, measures, learns, corrects. */
async function measured(job: Job, meter: Meter): Promise<Budgeted> {
  const { settings: { tolerance, onProgress }, targetMs } = job, layers = [...job.scored.values()].map(({ layer }) => layer);
  let { costs, model } = job, latest: Built | undefined;
  const time = (care: Care) => async (built: Built): Promise<number> => {
    const { allocation: { assignments } } = built, { graph, masks } = built.masked!;
    built.timed = await meter.time(graph, { care });
    costs = refined(costs, { assignments, masks, steps: stepsByWeight(job.graph, layers, built.timed) });
    model = job.modelFor(costs);
    return built.timed.time * costs.denseMs;
  };
  const given = unpruned(job);
  if (costs.givenMs <= targetMs()) {
    const measuredMs = await time(cares.sure)(given);
    if (measuredMs <= targetMs()) return finish(job, { built: given, outcome: 'given', measuredMs });
  }
  const attempts = await approach<Built>({
    targetMs, tolerance, correction: costs.correction,
    plan: (modelMs) => {
      const allocation = allocate(model, modelMs);
      const make = (): Built => {
        if (latest) latest.masked = undefined;
        return (latest = build(job, allocation));
      };
      return { key: keyOf(allocation), make };
    },
    time: time(cares.rough), confirm: time(cares.sure), predict: ({ allocation }) => predict(model, allocation.assignments),
    isHopeless: (correction) => fastestMs(model) * correction > targetMs(),
    onRound: (done, total) => onProgress?.({ stage: 'allocate and measure', done, total }),
  });
  const chosen = nearest(attempts, targetMs(), tolerance);
  chosen.made.masked ??= build(job, chosen.made.allocation).masked;
  const measuredMs = chosen.sure ? chosen.measuredMs : await time(cares.sure)(chosen.made);
  const built = withoutIdle(job, chosen.made as Whole);
  const correction = measuredMs / predict(model, chosen.made.allocation.assignments);
  const learnt = { ...job, costs: { ...costs, correction }, model };
  return finish(learnt, { built, outcome: outcomeOf(learnt, measuredMs), measuredMs, attempts });
}

/** Layers that are stored dense all the same gain nothing by their zeros: they get their weights back, which changes no kernel. */
function withoutIdle(job: Job, built: Whole): Whole {
  const steps = stepsByWeight(job.graph, [...job.scored.values()].map(({ layer }) => layer), built.timed!);
  const { allocation, masked } = built, assignments = new Map(allocation.assignments);
  const constants = new Map(masked.graph.constants), masks = new Map(masked.masks);
  for (const [weight, { structure }] of allocation.assignments) {
    const step = steps.get(weight);
    if (!structure || structure.killsChannels || !step || step.narrowed || step.format !== 'dense') continue;
    assignments.set(weight, { density: 1 });
    constants.set(weight, job.graph.constants.get(weight)!);
    masks.delete(weight);
  }
  return { ...built, allocation: { ...allocation, assignments }, masked: { graph: { ...masked.graph, constants }, masks } };
}

function outcomeOf({ model, costs, settings: { tolerance }, targetMs }: Job, measuredMs: number): Outcome {
  const off = measuredMs / targetMs() - 1;
  if (off > tolerance / 2 && fastestMs(model) * costs.correction > targetMs()) return 'fastest';
  // Half a tolerance more either way: the machine has moods.
  return off > tolerance / 2 || off < -1.5 * tolerance ? 'missed' : 'met';
}

/** What tells two allocations apart. */
function keyOf({ assignments }: Allocation): string {
  return [...assignments].map(([weight, { structure, density }]) => `${weight} ${structure?.name} ${density}`).join('|');
}

export interface Finished {
  readonly built: Whole;
  readonly outcome: Outcome;
  readonly measuredMs?: number;
  readonly attempts?: readonly Attempt<Built>[];
}

async function finish(job: Job, finished: Finished): Promise<Budgeted> {
  const { settings, model, costs, meter } = job, { built, outcome, measuredMs } = finished;
  // The machine as it is now: comparing may take a while.
  const scale = meter ? meter.denseMs() / costs.denseMs : 1;
  const leastMs = fastestMs(model) * costs.correction;
  if (outcome === 'fastest') refuse(job, measuredMs ?? leastMs);
  const takenMs = measuredMs ?? built.allocation.predictedMs * costs.correction;
  const uniform = settings.compareUniform ? await uniformRows(job, takenMs) : undefined;
  const report = reportOf(job, { attempts: [], ...finished, fastestMs: leastMs, uniform, scale });
  return { graph: built.masked.graph, masks: built.masked.masks, report, costs };
}

function refuse({ settings, graph, costs, meter, targetMs }: Job, fastestMs: number): void {
  const scale = meter ? meter.denseMs() / costs.denseMs : 1, ms = (value: number): string => `${number(value * scale)} ms`;
  expect(!settings.strict, {
    kind: 'limit', where: `budget of '${graph.name}'`, needs: `a network of ${ms(targetMs())}`,
    got: `${ms(fastestMs)} at its fastest (dense ${ms(costs.denseMs)}, floor ${settings.floor})`,
    remedy: 'allow more layers, granularities or a lower floor, or take the fastest with strict: false',
  });
}
