import { BurinError } from '../src/expect.ts';
import type { Graph } from '../src/graph/graph.ts';
import { maxAbsErrorOf } from '../src/measure/agree.ts';
import { fill, shapeOf } from '../src/measure/feeds.ts';
import { timeTogether, type Summary } from '../src/measure/time.ts';
import { SparseSession } from '../src/runtime/session.ts';
import type { Tensor } from '../src/tensor.ts';
import { say } from './files.ts';
import { ort } from './peers/ort.ts';
import type { Feeds, Loaded, Peer } from './peers/peer.ts';
import { tfjs } from './peers/tfjs.ts';
import { fusedGraph } from './peers/tfjs-graph.ts';

/** Another engine, and the graph it is given. */
interface Rival {
  readonly peer: Peer;
  readonly graphFor: (graph: Graph) => Graph;
}

export const rivals = {
  'tfjs-wasm': {
    peer: tfjs,
    graphFor: fusedGraph,
  },
  'onnxruntime-web': { peer: ort, graphFor: (graph) => graph },
} satisfies Record<string, Rival>;

export type RivalName = keyof typeof rivals;

/** One network in one edition, in one engine. */
export interface Runner {
  readonly engine: string;
  readonly version: string;
  readonly edition: string;
  readonly maxError: number;
  readonly run: () => Promise<unknown>;
  readonly dispose: () => void;
}

export interface Edition {
  readonly name: string;
  readonly graph: Graph;
  /** Formats our session may choose from; all when absent. */
  readonly formats?: readonly string[];
  /** Only our session runs it. */
  readonly alone?: true;
}

const tolerance = { absolute: 1e-3, relative: 1e-3 };

/** sin(0.37·i): editions of a network may call their inputs differently. */
const feedsOf = (graph: Graph): Feeds => Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapeOf(input))]));

interface Given {
  readonly feeds: Feeds;
  /** Ours, which theirs must agree with. */
  readonly outputs: Readonly<Record<string, Tensor>>;
}

async function ours({ name, graph, formats }: Edition, feeds: Feeds): Promise<{ runner: Runner; outputs: Given['outputs'] }> {
  const session = await SparseSession.create(graph, { formats });
  const outputs = await session.run(feeds);
  const runner: Runner = {
    engine: 'burin', version: '', edition: name, maxError: 0, run: () => session.run(feeds), dispose: () => session.release(),
  };
  return { outputs, runner };
}

/** The edition in another engine, or undefined (said aloud) where that engine cannot run it. */
async function theirs({ peer, graphFor }: Rival, { name, graph }: Edition, { feeds, outputs }: Given): Promise<Runner | undefined> {
  let loaded: Loaded;
  try {
    loaded = await peer.load(graphFor(graph), feeds);
  } catch (error) {
    if (!(error instanceof BurinError && error.kind === 'unsupported')) throw error;
    say(`left out: ${error.message}`);
    return undefined;
  }
  const maxError = maxAbsErrorOf(outputs, await loaded.outputs(), tolerance);
  const version = await peer.version();
  return { engine: peer.name, version, edition: name, maxError, run: () => loaded.run(), dispose: () => loaded.dispose() };
}

export interface Finish extends Omit<Runner, 'run' | 'dispose'> {
  readonly time: Summary;
}

/**
 * A turn lasts this long, several runs of a small network: what counts is an engine at work, not how it finds the caches that another
 * one left.
 */
const TURN_MS = 25;

/**
 * Runs editions of a network in our engine and in others, in turns. Outputs of the others are compared with ours before anything is timed.
 * @throws BurinError `device` where they disagree
 */
export async function race(
  editions: readonly Edition[], options: { peers: readonly RivalName[]; samples: number },
): Promise<Finish[]> {
  const runners: Runner[] = [];
  try {
    for (const edition of editions) {
      const feeds = feedsOf(edition.graph), { runner, outputs } = await ours(edition, feeds);
      runners.push(runner);
      for (const name of edition.alone ? [] : options.peers) {
        const rival = await theirs(rivals[name], edition, { feeds, outputs });
        if (rival) runners.push(rival);
      }
    }
    const tasks = Object.fromEntries(runners.map(({ run }, i) => [`${i}`, run]));
    const times = await timeTogether(tasks, { samples: options.samples, warmUpMs: 3000, minMs: TURN_MS });
    return runners.map(({ engine, version, edition, maxError }, i) => ({ engine, version, edition, maxError, time: times[`${i}`] }));
  } finally {
    for (const runner of runners) runner.dispose();
  }
}
