import type { Graph } from '../../graph/graph.ts';
import { tickOf } from '../../runtime/race.ts';
import { SparseSession, type LayerPlan, type SessionOptions } from '../../runtime/session.ts';
import type { TuneTable } from '../../runtime/tune.ts';
import type { Shape, TensorLike } from '../../tensor.ts';
import type { Environment } from '../record.ts';
import { median, quantile, settled } from '../time.ts';

/** One step of a plan, with the share of the dense network's time that it takes. */
export interface Step extends Pick<LayerPlan, 'name' | 'parts' | 'format' | 'kernel'> {
  readonly time: number;
  /** Whether its weights could be stored in more ways than one. */
  readonly choosable: boolean;
  /** Whether dead channels were taken out of it. */
  readonly narrowed: boolean;
}

/** A network measured in turns with its dense edition. */
export interface Timed {
  /** Its time over that of the dense edition in the same turns. */
  readonly time: number;
  readonly steps: readonly Step[];
}

export interface TimeOptions {
  /** Whether channels that died are taken out; true when absent. */
  readonly removeDead?: boolean;
  /** How careful. */
  readonly care?: Care;
}

/** How often the two editions take turns: until the median of their ratios is known well enough, within these numbers and so long. */
export interface Care {
  readonly least: number;
  readonly most: number;
  /** Standard error of the ratio, as a fraction of it. */
  readonly error: number;
  /** No further turns after this long, in milliseconds, once there were a few. */
  readonly limitMs: number;
}

/** Fewer turns than this say nothing, however long they take. */
const FEW = 5;

/**
 * Ratios of single turns scatter by 7 % where a machine is shared, nearly independent of each other (face detector: standard error of 15
 * turns 1.9 %, of 60 0.9, of 100 0.5): what decides takes as many turns as it needs.
 */
export const cares = {
  quick: { least: FEW, most: FEW, error: 0, limitMs: 0 },
  rough: { least: 9, most: 25, error: 0.015, limitMs: 4000 },
  sure: { least: 15, most: 120, error: 0.004, limitMs: 12_000 },
} satisfies Record<string, Care>;

/** A device with the dense edition of a network on it: what the others are measured against. */
export interface Meter {
  readonly environment: Environment;
  /** ms of the dense edition, the median of the latest turns. */
  readonly denseMs: () => number;
  readonly dense: () => Promise<Timed>;
  readonly time: (graph: Graph, options?: TimeOptions) => Promise<Timed>;
  /** Milliseconds since any fixed moment. */
  readonly clock: () => number;
  readonly release: () => void;
}

export interface MeterOptions extends Pick<SessionOptions, 'executionProviders' | 'formats' | 'threads' | 'tune' | 'tuning'> {
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly feeds: Readonly<Record<string, TensorLike>>;
}

/** A turn lasts about this long, within these numbers of runs; turns of the dense edition alone. */
const TURN_MS = 30;
const LEAST_RUNS = 3;
/**
 * The first run of a turn finds the caches full of the other edition's weights: it does not count (a pruned face detector of 3 ms takes
 * 9 % longer), unless a run takes so long, in milliseconds, that this is little and one run is a turn.
 */
const LONG_MS = 100;
const MOST_RUNS = 16;
const TURNS = 5;
/** The kernels ran when the plan was made: what is left to warm up are caches and the way through the steps. */
const WARM_UP_RUNS = 20;
const WARM_UP_MS = 300;
/** Turns that the time of the dense edition is the median of. */
const LATEST = 15;

/**
 * Steps of a clock in a page, 5 or 100 µs, are as long as a small layer: the median of a few such times is whole steps, their mean
 * comes close to the truth.
 */
const COARSE_MS = 0.002;
const mean = (times: readonly number[]): number => times.reduce((sum, ms) => sum + ms, 0) / times.length;

/** Runs of a turn, and those before them that do not count. */
interface Runs { readonly runs: number; readonly idle: number }

interface Edition extends Runs {
  readonly session: SparseSession;
  readonly plans: readonly LayerPlan[];
}

interface Turn {
  readonly totalMs: number;
  readonly layerMs: readonly number[];
}

/** Puts the dense edition of `graph` on the device. @throws BurinError as SparseSession.create */
export async function openMeter(graph: Graph, options: MeterOptions): Promise<Meter> {
  return SessionMeter.open(graph, options);
}

/** Holds the session of the dense edition. */
class SessionMeter implements Meter {
  readonly #options: MeterOptions;
  readonly #middle: (times: readonly number[]) => number;
  readonly #latest: number[] = [];
  /** Sessions that were given a table share nothing else: each begins with what the one before knew. */
  #tuning: TuneTable | undefined;
  #base!: Edition;

  private constructor(options: MeterOptions) {
    this.#options = options;
    this.#tuning = options.tuning;
    this.#middle = tickOf(this.clock) > COARSE_MS ? mean : median;
  }

  static async open(graph: Graph, options: MeterOptions): Promise<SessionMeter> {
    const meter = new SessionMeter(options);
    meter.#base = await meter.#edition(graph, { formats: ['dense'], removeDead: false });
    // So that its time is known from the beginning.
    for (let i = 0; i < TURNS; i++) await meter.#denseTurn();
    return meter;
  }

  readonly clock = (): number => performance.now();
  readonly denseMs = (): number => median(this.#latest);
  readonly release = (): void => this.#base.session.release();

  get environment(): Environment { return this.#base.session.environment(); }

  readonly dense = async (): Promise<Timed> => {
    const turns: Turn[] = [];
    for (let i = 0; i < TURNS; i++) turns.push(await this.#turnOf(this.#base));
    return timedOf(this.#base.plans, turns, turns.map(({ totalMs }) => this.#note(totalMs)));
  };

  readonly time = async (graph: Graph, { removeDead = true, care = cares.quick }: TimeOptions = {}): Promise<Timed> => {
    const own = await this.#edition(graph, { formats: this.#options.formats, removeDead }), mine: Turn[] = [], dense: number[] = [];
    const end = this.clock() + care.limitMs;
    try {
      const goesOn = (i: number): boolean => i < care.least || (i < care.most && errorOf(mine, dense) > care.error);
      for (let i = 0; i < FEW || (this.clock() < end && goesOn(i)); i++) {
        if (i % 2) mine.push(await this.#turnOf(own));
        dense.push(await this.#denseTurn());
        if (i % 2 === 0) mine.push(await this.#turnOf(own));
      }
      return timedOf(own.plans, mine, dense);
    } finally {
      own.session.release();
    }
  };

  async #edition(graph: Graph, own: Pick<SessionOptions, 'formats' | 'removeDead'>): Promise<Edition> {
    const { feeds, tuning: _, ...rest } = this.#options, tuning = this.#tuning && { tuning: this.#tuning };
    const session = await SparseSession.create(graph, { ...rest, ...own, ...tuning });
    try {
      const plans = await session.prepare(rest.shapes);
      if (tuning) this.#tuning = session.tuning();
      return { session, plans, ...await warmUp(session, feeds) };
    } catch (error) {
      session.release();
      throw error;
    }
  }

  async #turnOf({ session, runs, idle }: Edition): Promise<Turn> {
    const { totalMs, layerMs } = await session.profile(this.#options.feeds, { samples: idle + runs });
    return { totalMs: this.#middle(totalMs.slice(idle)), layerMs: layerMs.map((times) => this.#middle(times.slice(idle))) };
  }

  /** The dense edition without its layers. */
  async #denseTurn(): Promise<number> {
    const { session, runs, idle } = this.#base, seen: number[] = [];
    for (let i = 0; i < idle + runs; i++) {
      const start = this.clock();
      await session.run(this.#options.feeds);
      seen.push(this.clock() - start);
    }
    return this.#note(this.#middle(seen.slice(idle)));
  }

  #note(ms: number): number {
    this.#latest.push(ms);
    if (this.#latest.length > LATEST) this.#latest.shift();
    return ms;
  }
}

/** Runs until times settle. @returns what makes a turn */
async function warmUp(session: SparseSession, feeds: MeterOptions['feeds']): Promise<Runs> {
  const seen: number[] = [];
  for (let spent = 0; seen.length < WARM_UP_RUNS && !settled(seen) && (spent < WARM_UP_MS || seen.length < 2); spent += seen.at(-1)!) {
    seen.push((await session.profile(feeds)).totalMs[0]);
  }
  const ms = seen.at(-1)!;
  if (ms > LONG_MS) return { runs: 1, idle: 0 };
  return { runs: Math.min(MOST_RUNS, Math.max(LEAST_RUNS, Math.round(TURN_MS / 2 / ms))), idle: 1 };
}

/** Standard error of the median of the ratios, as a fraction of it: 0.93 quartile distances over √n for errors that are normal. */
function errorOf(turns: readonly Turn[], dense: readonly number[]): number {
  const ratios = turns.map(({ totalMs }, i) => totalMs / dense[i]);
  return (0.93 * (quantile(ratios, 0.75) - quantile(ratios, 0.25))) / Math.sqrt(ratios.length) / median(ratios);
}

/** Medians over the turns, each against the milliseconds of the dense edition in the turn beside it. */
function timedOf(plans: readonly LayerPlan[], turns: readonly Turn[], dense: readonly number[]): Timed {
  const over = (ms: (turn: Turn) => number): number => median(turns.map((turn, i) => ms(turn) / dense[i]));
  const steps = plans.map(({ name, parts, format, kernel, candidates, narrowed }, i): Step => ({
    name, parts, format, kernel, time: over(({ layerMs }) => layerMs[i]),
    choosable: candidates.length > 1, narrowed: narrowed !== undefined,
  }));
  return { time: over(({ totalMs }) => totalMs), steps };
}
