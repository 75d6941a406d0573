import { show } from '../expect.ts';
import type { Optimized } from '../graph/passes/index.ts';
import { passages, type Passage } from '../graph/segment.ts';
import type { Tensor } from '../tensor.ts';
import { beats, bestOf, once, takeTurns, type Rival } from './contest.ts';
import type { Engine, EngineOptions, EnginePlan } from './engine.ts';
import type { Segment } from './environment.ts';
import { handoverOf } from './handover.ts';
import { cheapest, fitted, type Costs, type Handover, type Placement } from './place.ts';
import { placedEngine } from './placed.ts';

// Whether a network runs faster when some of its layers go to one engine and some to another.

/** An engine that runs the whole network, timed. */
export interface Whole extends Rival { readonly engine: Engine }

export interface Splitting {
  readonly input: Optimized;
  readonly options: EngineOptions;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly clock: () => number;
  /** Ms of measuring that are left. */
  readonly leftMs: () => number;
}

/** A split that won, or why there is none. */
export type Split =
  | { readonly why: string; readonly rival?: undefined }
  | { readonly why: string; readonly rival: Rival; readonly engine: Engine; readonly segments: readonly Segment[] };

/** Times of single layers are taken so often; the least counts. */
const PROFILES = 2;
/** What a split must promise before it is built. */
const LEAST_PROMISE = 0.05;
/** Handing over is measured with arrays no larger than this. */
const MOST_PROBE = 4 * 1024 * 1024;

/**
 * Looks for a split: times every layer on each engine and what handing activations over costs, finds the cheapest split, and where that
 * promises enough builds it and runs it in turns with the whole plans. It is given only where it wins by more than the noise.
 */
export async function findSplit(wholes: readonly Whole[], splitting: Splitting): Promise<Split> {
  const { input, options, leftMs } = splitting, best = Math.min(...wholes.map(bestOf));
  if (options.tune === 'predict') return { why: 'no split by layers was looked for, tune is predict' };
  if (wholes.reduce((sum, whole) => sum + bestOf(whole), 0) * (PROFILES + 1) > leftMs()) return { why: noTime };
  const layerMs = new Map<Whole, number[]>();
  for (const whole of wholes) layerMs.set(whole, await nodeTimes(whole, splitting));
  const values = passages(input.graph, input.types), promise = best * (1 - LEAST_PROMISE);
  const timesOf = (handovers?: readonly Handover[]): Costs[] => wholes.map((whole, i) =>
    costsOf(whole, layerMs.get(whole)!, values, handovers?.[i] ?? { runMs: 0, inMs: 0, outMs: 0 }));
  // Were nothing to be handed over, it would take this: often too much already.
  const free = cheapest(timesOf(), values);
  if (free.stretches.length < 2 || free.ms > promise) return { why: `no split by layers promises less than ${free.ms.toFixed(2)} ms` };
  if (leftMs() <= 0) return { why: noTime };
  const bytes = Math.min(MOST_PROBE, Math.max(...values.map((value) => value.bytes))), handovers: Handover[] = [];
  for (const { engine } of wholes) handovers.push(await handoverOf(engine, bytes, options, splitting.clock));
  const found = cheapest(timesOf(handovers), values);
  if (found.stretches.length < 2 || found.ms > promise) return { why: `no split by layers promises less than ${found.ms.toFixed(2)} ms` };
  return leftMs() <= 0 ? { why: noTime } : tryOut(wholes, found, splitting);
}

const noTime = 'no time was left to look for a split by layers';

/** Ms of every node: the least of several profiles. */
async function nodeTimes({ plan }: Whole, { input: { graph }, feeds }: Splitting): Promise<number[]> {
  const layers = new Map(plan.layers.map(({ name }, i) => [name, i])), least = plan.layers.map(() => Infinity);
  for (let i = 0; i < PROFILES; i++) (await plan.profile(feeds)).forEach((ms, layer) => { least[layer] = Math.min(least[layer], ms); });
  return graph.nodes.map(({ name }) => least[layers.get(name) ?? -1] ?? 0);
}

/** Times of nodes add up to a whole run less what handing its inputs and outputs over takes. */
function costsOf(whole: Whole, nodeMs: readonly number[], values: readonly Passage[], handover: Handover): Costs {
  const end = nodeMs.length, { runMs, inMs, outMs } = handover;
  const fed = values.filter(({ made, reads }) => made < 0 && reads.length > 0), read = values.filter(({ reads }) => reads.at(-1) === end);
  const sum = (list: readonly Passage[]): number => list.reduce((all, { bytes }) => all + bytes, 0);
  return { handover, nodeMs: fitted(nodeMs, Math.max(0, bestOf(whole) - runMs - sum(fed) * inMs - sum(read) * outMs)) };
}

async function tryOut(wholes: readonly Whole[], { ms, stretches }: Placement, splitting: Splitting): Promise<Split> {
  const { input, options, feeds, clock, leftMs } = splitting, { nodes } = input.graph, promised = `promised ${ms.toFixed(2)} ms`;
  const placement = new Map(stretches.flatMap(({ device, from, to }) => nodes.slice(from, to).map(({ name }) => [name, device] as const)));
  const engine = placedEngine(wholes.map((whole) => whole.engine), placement), before = wholes.map(({ times }) => times);
  let plan: EnginePlan | undefined;
  try {
    plan = await engine.compile(input, { ...options, tuneBudgetMs: Math.max(0, leftMs()) });
    const rival: Rival = { name: engine.name, plan, times: [] };
    await once(plan, feeds, clock);
    await takeTurns([...wholes, rival], feeds, clock, leftMs());
    const fastest = wholes.reduce((a, b) => (bestOf(b) < bestOf(a) ? b : a));
    if (beats(rival, fastest)) return { why: promised, rival, engine, segments: segmentsOf(plan) };
    plan.dispose();
    return { why: `a split by layers ${promised} and took ${bestOf(rival).toFixed(2)} ms` };
  } catch (error) {
    plan?.dispose();
    wholes.forEach((whole, i) => { whole.times = before[i]; });
    return { why: `a split by layers fails: ${show(error)}` };
  }
}

/** Neighbouring layers of one backend. */
export function segmentsOf({ layers }: Pick<EnginePlan, 'layers'>): Segment[] {
  const segments: Segment[] = [];
  for (const { backend, name } of layers) {
    const last = segments.at(-1);
    if (last?.backend === backend) segments[segments.length - 1] = { ...last, last: name, layers: last.layers + 1 };
    else segments.push({ backend, first: name, last: name, layers: 1 });
  }
  return segments;
}
