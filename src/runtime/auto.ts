import { fail, show } from '../expect.ts';
import type { Optimized } from '../graph/passes/index.ts';
import { allocate, sizeOf, Tensor, type DType, type Shape } from '../tensor.ts';
import type { Engine, EngineOptions, EnginePlan } from './engine.ts';
import type { Choice } from './environment.ts';

/** Runs before anything is timed: code is compiled and caches are filled by then. */
const WARM_RUNS = 2;
/** Timed runs of each engine, in turns; fewer where they take longer than this together. */
const MOST_ROUNDS = 7;
const MOST_MS = 1500;
/** An engine this much slower than the best is timed no more. */
const HOPELESS = 4;

type Opener = () => Promise<Engine>;

interface Rival { engine: Engine; plan?: EnginePlan; ms: number; failure?: string }

/**
 * The engine that runs this network fastest on this device: each that starts compiles the first plan and runs it on made-up inputs, reading
 * the outputs back; the others are given up. What was found is told by `environment()`.
 * @throws BurinError `device` where none starts
 */
export async function openAuto(openers: Readonly<Record<string, Opener>>, clock = (): number => performance.now()): Promise<Engine> {
  const reasons: string[] = [], rivals: Rival[] = [];
  for (const [name, open] of Object.entries(openers)) {
    try {
      rivals.push({ engine: await open(), ms: Infinity });
    } catch (error) {
      reasons.push(`${name} does not start: ${show(error)}`);
    }
  }
  if (!rivals.length) fail({ kind: 'device', where: 'executionProviders auto', needs: 'one that works here', got: reasons.join('; ') });
  return engineOf(rivals, reasons, clock);
}

function engineOf(rivals: Rival[], reasons: readonly string[], clock: () => number): Engine {
  let chosen: Engine | undefined, choice: Choice | undefined;
  const all = (): Engine[] => (chosen ? [chosen] : rivals.map(({ engine }) => engine));
  const settle = (winner: Rival, why: string): EnginePlan => {
    chosen = winner.engine;
    const ms = Object.fromEntries(rivals.filter((rival) => rival.ms < Infinity).map((rival) => [rival.engine.name, rival.ms]));
    choice = { chosen: winner.engine.name, why, ms };
    for (const { engine, plan } of rivals.splice(0)) {
      if (engine === chosen) continue;
      plan?.dispose();
      engine.dispose();
    }
    return winner.plan!;
  };
  const self: Engine = {
    name: 'auto',
    get buffers() { return chosen?.buffers ?? false; },
    told: () => ({ ...all()[0].told(), ...(choice && { choice }) }),
    async compile(input, options) {
      if (chosen) return chosen.compile(input, options);
      return settle(...await decide(rivals, reasons, { input, options, clock }));
    },
    memory: () => all().map((engine) => engine.memory()).reduce((a, b) => ({
      usedBytes: a.usedBytes + b.usedBytes, totalBytes: a.totalBytes + b.totalBytes,
    })),
    async recover(device) {
      if (chosen) chosen = await chosen.recover?.(device) ?? chosen;
      else for (const rival of rivals) rival.engine = await rival.engine.recover?.(device) ?? rival.engine;
      return self;
    },
    dispose: () => { for (const engine of all()) engine.dispose(); },
  };
  return self;
}

interface Trial { readonly input: Optimized; readonly options: EngineOptions; readonly clock: () => number }

/** The rival to take, with its plan, and why. @throws what the last of them failed with */
async function decide(rivals: readonly Rival[], reasons: readonly string[], trial: Trial): Promise<[Rival, string]> {
  const { input: { graph }, options } = trial, left = graph.outputs.some(({ name }) => options.stays?.(name));
  // Only an engine that gives buffers can leave outputs in them.
  const able = left ? rivals.filter(({ engine }) => engine.buffers) : rivals, failures: unknown[] = [];
  for (const rival of able) {
    try {
      rival.plan = await rival.engine.compile(trial.input, options);
      for (let i = 0; i < WARM_RUNS; i++) await once(rival, trial);
    } catch (error) {
      failures.push(error);
      rival.failure = `${rival.engine.name} fails: ${show(error)}`;
      rival.plan?.dispose();
      rival.plan = undefined;
    }
  }
  const running = able.filter(({ plan }) => plan), said = [...reasons, ...able.flatMap(({ failure }) => failure ?? [])];
  if (!running.length) throw failures.at(-1) ?? new Error(said.join('; '));
  if (running.length === 1) return [running[0], left ? 'outputs stay on the device' : said.join('; ')];
  return compare(running, trial);
}

/** Ms of one run. */
async function once({ plan }: Rival, { input, clock }: Trial): Promise<number> {
  const feeds = Object.fromEntries(input.graph.inputs.map(({ name, type, dims }) => [name, madeUp(type, dims as Shape)]));
  const start = clock(), outputs = await plan!.run(feeds), ms = clock() - start;
  for (const output of Object.values(outputs)) if ('dispose' in output) output.dispose();
  return ms;
}

/** Waves where numbers may be anything, zeros where they may be indices. */
function madeUp(type: DType, dims: Shape): Tensor {
  const data = allocate(type, sizeOf(dims));
  if (data instanceof Float32Array || data instanceof Float64Array) for (let i = 0; i < data.length; i++) data[i] = Math.sin(0.37 * i);
  return new Tensor(type, data, dims);
}

async function compare(running: readonly Rival[], trial: Trial): Promise<[Rival, string]> {
  const start = trial.clock();
  for (let round = 0; round < MOST_ROUNDS && (round < 2 || trial.clock() - start < MOST_MS); round++) {
    const best = Math.min(...running.map(({ ms }) => ms));
    for (const rival of running) if (round === 0 || rival.ms <= best * HOPELESS) rival.ms = Math.min(rival.ms, await once(rival, trial));
  }
  const [first, second] = [...running].sort((a, b) => a.ms - b.ms);
  const say = ({ engine, ms }: Rival): string => `${engine.name} ${ms.toFixed(2)} ms`;
  return [first, `${say(first)} a run against ${say(second)}, outputs read back`];
}
