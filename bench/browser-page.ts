// The part of bench/browser that runs in a page: our sessions and LiteRT.js on the same files, in turns.
import { readModel } from '../src/io/index.ts';
import { maxAbsErrorOf } from '../src/measure/agree.ts';
import { fill, shapeOf } from '../src/measure/feeds.ts';
import type { Environment } from '../src/measure/record.ts';
import { timeTogether, type Summary } from '../src/measure/time.ts';
import { SparseSession } from '../src/runtime/session.ts';
import { litert } from './peers/litert.ts';

/** An edition of a network: where its TFLite file is served, and the formats our session may choose from (all when absent). */
export interface PageEdition {
  readonly name: string;
  readonly url: string;
  readonly formats?: readonly string[];
}

export interface PageFinish {
  readonly engine: string;
  readonly edition: string;
  readonly time: Summary;
  /** Largest difference from our outputs. */
  readonly maxError: number;
}

interface Runner extends Omit<PageFinish, 'time'> {
  readonly run: () => Promise<unknown>;
}

const tolerance = { absolute: 1e-3, relative: 1e-3 };

async function runnersOf({ name, url, formats }: PageEdition): Promise<{ runners: Runner[]; environment: Environment }> {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer()), graph = await readModel(bytes);
  const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapeOf(input))]));
  const session = await SparseSession.create(graph, { formats }), ours = await session.run(feeds);
  const theirs = await litert.load(bytes, feeds), maxError = maxAbsErrorOf(ours, await theirs.outputs(), tolerance);
  return {
    environment: session.environment(),
    runners: [
      { engine: 'burin', edition: name, maxError: 0, run: () => session.run(feeds) },
      { engine: litert.name, edition: name, maxError, run: () => theirs.run() },
    ],
  };
}

/** A turn lasts this long, as in a race in Node. */
const TURN_MS = 25;

/**
 * Times all editions in both engines, in turns, after their outputs were compared.
 * @throws BurinError `device` where they disagree
 */
export async function raceInPage(
  editions: readonly PageEdition[], { wasm, samples }: { wasm: string; samples: number },
): Promise<{ environment: Environment; finishes: PageFinish[] }> {
  await litert.start(wasm);
  const all = [];
  for (const edition of editions) all.push(await runnersOf(edition));
  const runners = all.flatMap((one) => one.runners);
  const tasks = Object.fromEntries(runners.map(({ run }, i) => [`${i}`, run]));
  const times = await timeTogether(tasks, { samples, warmUpMs: 3000, minMs: TURN_MS });
  return {
    environment: all[0].environment,
    finishes: runners.map(({ engine, edition, maxError }, i) => ({ engine, edition, maxError, time: times[`${i}`] })),
  };
}
