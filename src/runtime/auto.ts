import { fail, show } from '../expect.ts';
import type { Optimized } from '../graph/passes/index.ts';
import { bestOf, madeUp, once, takeTurns, type Rival } from './contest.ts';
import type { Engine, EngineOptions, EnginePlan } from './engine.ts';
import type { Choice, Segment } from './environment.ts';
import { findSplit, type Split, type Splitting, type Whole } from './splitting.ts';

/** Runs before anything is timed: code is compiled and caches are filled by then. */
const WARM_RUNS = 2;
/** Parts of a split that are told one by one. */
const MOST_TOLD = 4;

type Opener = () => Promise<Engine>;
type Clock = () => number;

/** What was taken: an engine with its plan, and the engines it uses. */
interface Decision { readonly engine: Engine; readonly plan: EnginePlan; readonly uses: readonly Engine[]; readonly choice: Choice }

/**
 * The engine that runs this network fastest on this device: each that starts compiles the first plan and runs it on made-up inputs, reading
 * the outputs back; a split of the layers between them is taken where it is faster still. What is not needed is given up, and what was
 * found is told by `environment()`.
 * @throws BurinError `device` where none starts
 */
export async function openAuto(openers: Readonly<Record<string, Opener>>, clock: Clock = () => performance.now()): Promise<Engine> {
  const reasons: string[] = [], engines: Engine[] = [];
  for (const [name, open] of Object.entries(openers)) {
    try {
      engines.push(await open());
    } catch (error) {
      reasons.push(`${name} does not start: ${show(error)}`);
    }
  }
  if (!engines.length) fail({ kind: 'device', where: 'executionProviders auto', needs: 'one that works here', got: reasons.join('; ') });
  return engineOf(engines, reasons, clock);
}

function engineOf(started: Engine[], reasons: readonly string[], clock: Clock): Engine {
  let engines = started, chosen: Engine | undefined, choice: Choice | undefined;
  const all = (): Engine[] => (chosen ? [chosen] : engines);
  const self: Engine = {
    name: 'auto',
    get buffers() { return chosen?.buffers ?? false; },
    told: () => ({ ...all()[0].told(), ...(choice && { choice }) }),
    async compile(input, options) {
      if (chosen) return chosen.compile(input, options);
      const decision = await decide(engines, reasons, { input, options, clock });
      ({ engine: chosen, choice } = decision);
      for (const engine of engines.splice(0)) if (!decision.uses.includes(engine)) engine.dispose();
      return decision.plan;
    },
    memory: () => all().map((engine) => engine.memory()).reduce((a, b) => ({
      usedBytes: a.usedBytes + b.usedBytes, totalBytes: a.totalBytes + b.totalBytes,
    })),
    async recover(device) {
      if (chosen) chosen = await chosen.recover?.(device) ?? chosen;
      else engines = await Promise.all(engines.map(async (engine) => await engine.recover?.(device) ?? engine));
      return self;
    },
    dispose: () => { for (const engine of all()) engine.dispose(); },
  };
  return self;
}

interface Trial { readonly input: Optimized; readonly options: EngineOptions; readonly clock: Clock }

/** What to take; the plans of the others are gone then. @throws what the last of them failed with, where all fail */
async function decide(engines: readonly Engine[], reasons: readonly string[], trial: Trial): Promise<Decision> {
  const { input, options, clock } = trial, start = clock(), feeds = madeUp(input);
  const left = input.graph.outputs.some(({ name }) => options.stays?.(name));
  // Only an engine that gives buffers can leave outputs in them.
  const buffered = left ? engines.filter(({ buffers }) => buffers) : [], able = buffered.length ? buffered : engines;
  const running: Whole[] = [], failures: unknown[] = [], said = [...reasons];
  for (const engine of able) {
    let plan: EnginePlan | undefined;
    try {
      plan = await engine.compile(input, options);
      for (let i = 0; i < WARM_RUNS; i++) await once(plan, feeds, clock);
      running.push({ name: engine.name, engine, plan, times: [] });
    } catch (error) {
      failures.push(error);
      said.push(`${engine.name} fails: ${show(error)}`);
      plan?.dispose();
    }
  }
  if (!running.length) throw failures.at(-1)!;
  if (running.length === 1) return whole(running[0], running, buffered.length ? 'outputs stay on the device' : said.join('; '));
  try {
    await takeTurns(running, feeds, clock);
  } catch (error) {
    return survivor(running, `timing fails: ${show(error)}`, (plan) => once(plan, feeds, clock));
  }
  const leftMs = (): number => options.tuneBudgetMs - (clock() - start);
  return settle(running, await lookFor(running, { input, options, feeds, clock, leftMs }));
}

/** The first that still runs, after one of them failed while they took turns. @throws what the last of them failed with, where all fail */
async function survivor(running: readonly Whole[], why: string, run: (plan: EnginePlan) => Promise<unknown>): Promise<Decision> {
  let failure: unknown;
  for (const one of running) {
    try {
      await run(one.plan);
      return whole(one, running, why);
    } catch (error) {
      failure = error;
    }
  }
  for (const { plan } of running) plan.dispose();
  throw failure;
}

/** A split, where the network has layers to share out. */
async function lookFor(running: readonly Whole[], splitting: Splitting): Promise<Split | undefined> {
  if (splitting.input.graph.nodes.length < 2) return undefined;
  try {
    return await findSplit(running, splitting);
  } catch (error) {
    // A device that fails while single layers are timed may still run the whole.
    return { why: `no split by layers: ${show(error)}` };
  }
}

const timesOf = (rivals: readonly Rival[]): Record<string, number> =>
  Object.fromEntries(rivals.filter(({ times }) => times.length > 0).map((rival) => [rival.name, bestOf(rival)]));
const say = (rival: Rival): string => `${rival.name} ${bestOf(rival).toFixed(2)} ms`;

function whole({ engine, plan }: Whole, running: readonly Whole[], why: string): Decision {
  for (const other of running) if (other.engine !== engine) other.plan.dispose();
  return { engine, plan, uses: [engine], choice: { chosen: engine.name, why, ms: timesOf(running) } };
}

function settle(running: readonly Whole[], split: Split | undefined): Decision {
  const [first, second] = [...running].sort((a, b) => bestOf(a) - bestOf(b));
  if (!split?.rival) {
    const contest = `${say(first)} a run against ${say(second)}, outputs read back`;
    return whole(first, running, split ? `${contest}; ${split.why}` : contest);
  }
  const { rival, engine, segments } = split;
  for (const { plan } of running) plan.dispose();
  const why = `${say(rival)} a run against ${say(first)} and ${say(second)}, outputs read back; ${split.why}; ${tell(segments)}`;
  return {
    engine, plan: rival.plan, uses: running.map((one) => one.engine),
    choice: { chosen: engine.name, why, ms: timesOf([...running, rival]), segments },
  };
}

function tell(segments: readonly Segment[]): string {
  const name = ({ first, last }: Segment): string => (first === last ? first : `${first} to ${last}`);
  const told = segments.slice(0, MOST_TOLD).map((segment) => `${name(segment)} on ${segment.backend}`);
  return [...told, ...(segments.length > MOST_TOLD ? [`${segments.length - MOST_TOLD} parts more`] : [])].join(', ');
}
