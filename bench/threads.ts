// Whole networks on one thread and on several (--threads N, two if absent), in turns, outputs compared before. --write puts the rows
// into bench/results/threads.json, in place of those of the same networks; --network TEXT and --turns N narrow it down.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Backend, Call } from '../src/backends/index.ts';
import { createWasm } from '../src/backends/wasm.ts';
import { expect } from '../src/expect.ts';
import type { Graph } from '../src/graph/graph.ts';
import { zoo, zooGraph, type ZooName } from '../src/graph/zoo/index.ts';
import { fill, shapeOf } from '../src/measure/feeds.ts';
import { median } from '../src/measure/time.ts';
import { number, times } from '../src/measure/words.ts';
import { textTable, type TableColumn } from '../src/report/text.ts';
import { environment, type Environment } from '../src/runtime/environment.ts';
import { SparseSession, type Feeds } from '../src/runtime/session.ts';
import { linesJson, modelOf, print, put, root, say, width } from './files.ts';
import { prunedZoo } from './networks.ts';

interface Entry { readonly network: string; readonly edition: 'dense' | 'sparse'; readonly graph: () => Graph | Promise<Graph> }

const NAMES = ['mobilenetv1', 'resnet18', 'vgg16'] as const satisfies readonly ZooName[];
const entries: readonly Entry[] = [
  { network: 'MediaPipe face detector', edition: 'dense', graph: () => modelOf('face_detection_full_range') },
  { network: 'MediaPipe face detector', edition: 'sparse', graph: () => modelOf('face_detection_full_range_sparse') },
  ...NAMES.flatMap((name): Entry[] => [
    { network: zoo[name].title, edition: 'dense', graph: () => zooGraph(name) },
    { network: zoo[name].title, edition: 'sparse', graph: () => prunedZoo(zooGraph(name)) },
  ]),
];

export interface ThreadsRow {
  readonly network: string;
  readonly edition: string;
  readonly threads: number;
  /** Medians over all runs, best runs, and the median over the turns of their one ÷ many. */
  readonly oneMs: number;
  readonly manyMs: number;
  readonly bestOneMs: number;
  readonly bestManyMs: number;
  readonly speedup: number;
  readonly turns: number;
  /** The same over the turns in which the cores shared a cache ({@link NEAR_NS}), and how many they were; null where there were none. */
  readonly nearSpeedup: number | null;
  readonly nearTurns: number;
  /** Nanoseconds from the end of a phase to the next, in the median of the turns. */
  readonly handoffNs: number;
}

export interface ThreadsResults { readonly environment: Environment; readonly rows: readonly ThreadsRow[] }

const PHASES = 500;
/**
 * A virtual machine's cores may share no cache, and change their places: then handing over takes 200 ns instead of 85 (AMD EPYC), and what
 * one thread wrote comes slowly to the other. Below this, cores are taken to share one.
 */
const NEAR_NS = 130;
/** A thread that took no part (its core taken by another process) leaves the phases to the first: faster than any handing over. */
const LEAST_HANDOFF_NS = 60;

/** Nanoseconds a phase of almost no work: what threads need to hand over. */
function handoff(backend: Backend): () => number {
  const at = Array.from({ length: backend.threads }, () => backend.alloc(64));
  const tiny = (address: number): Call => ({ kernel: 'f32_abs', job: { x: address, y: address, length: 4 } });
  const program = backend.program(Array.from({ length: PHASES }, () => at.map((address) => [tiny(address)])));
  return () => {
    const runs = Array.from({ length: 30 }, () => {
      const start = performance.now();
      program.run();
      return ((performance.now() - start) * 1e6) / PHASES;
    });
    // The first wake the threads up.
    return median(runs.slice(-10));
  };
}

interface Turn { readonly one: readonly number[]; readonly many: readonly number[]; readonly handoffNs: number }

async function runs(session: SparseSession, feeds: Feeds, forMs: number): Promise<number[]> {
  const found: number[] = [];
  for (let spent = 0; found.length < 3 || spent < forMs; spent += found.at(-1)!) {
    const start = performance.now();
    await session.run(feeds);
    found.push(performance.now() - start);
  }
  // The first finds the caches full of the other's.
  return found.slice(1);
}

const TURN_MS = 60;

async function rowOf({ network, edition, graph: load }: Entry, device: Backend, turns: number): Promise<ThreadsRow> {
  const graph = await load(), { threads } = device, formats = edition === 'dense' ? ['dense'] : undefined;
  const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapeOf(input))]));
  const [one, many] = await Promise.all([1, threads].map((count) => SparseSession.create(graph, { threads: count, formats })));
  try {
    await agree([one, many], feeds);
    const hands = handoff(device), taken: Turn[] = [];
    for (const session of [one, many]) await runs(session, feeds, 500);
    const onOne = (): Promise<number[]> => runs(one, feeds, TURN_MS);
    // Cores may move at any time: where they are is asked before and after.
    const onMany = async (): Promise<Omit<Turn, 'one'>> => {
      const before = hands(), times = await runs(many, feeds, TURN_MS);
      return { many: times, handoffNs: Math.max(before, hands()) };
    };
    for (let i = 0; i < turns; i++) {
      if (i % 2) taken.push({ one: await onOne(), ...(await onMany()) });
      else taken.push({ ...(await onMany()), one: await onOne() });
    }
    return summary({ network, edition, threads }, taken);
  } finally {
    for (const session of [one, many]) session.release();
  }
}

/** Two measured plans may choose different kernels, whose sums differ in order; that one plan gives the same bits is for the tests. */
async function agree([one, many]: readonly SparseSession[], feeds: Feeds): Promise<void> {
  const [a, b] = [await one.run(feeds), await many.run(feeds)];
  for (const name of one.outputNames) {
    const [x, y] = [a[name], b[name]].map(({ data }) => data as Float32Array);
    const wrong = x.findIndex((value, i) => Math.abs(value - y[i]) > 1e-4 * (1 + Math.abs(value)));
    expect(wrong < 0, {
      kind: 'device', where: `${name}[${wrong}]`, needs: `${x[wrong]}`, got: `${y[wrong]}`, remedy: 'a wrong run has no speed',
    });
  }
}

function summary(about: Pick<ThreadsRow, 'network' | 'edition' | 'threads'>, turns: readonly Turn[]): ThreadsRow {
  const one = turns.flatMap((turn) => turn.one), many = turns.flatMap((turn) => turn.many);
  const near = turns.filter(({ handoffNs }) => handoffNs >= LEAST_HANDOFF_NS && handoffNs <= NEAR_NS);
  const speedup = (some: readonly Turn[]): number => median(some.map((turn) => median(turn.one) / median(turn.many)));
  return {
    ...about, oneMs: median(one), manyMs: median(many), bestOneMs: Math.min(...one), bestManyMs: Math.min(...many),
    speedup: speedup(turns), turns: turns.length, nearSpeedup: near.length ? speedup(near) : null, nearTurns: near.length,
    handoffNs: median(turns.map(({ handoffNs }) => handoffNs)),
  };
}

function table(rows: readonly ThreadsRow[]): string {
  const column = (head: string, cell: (row: ThreadsRow) => string, right = true): TableColumn =>
    ({ head, cells: rows.map(cell), right, spare: 0 });
  return textTable([
    column('network', (row) => row.network, false),
    column('edition', (row) => row.edition, false),
    column('1 thread ms', (row) => number(row.oneMs)),
    column('threads', (row) => `${row.threads}`),
    column('ms', (row) => number(row.manyMs)),
    column('speedup', (row) => times(row.speedup)),
    column('best runs', (row) => times(row.bestOneMs / row.bestManyMs)),
    column('shared cache', (row) => `${times(row.nearSpeedup)} (${row.nearTurns} of ${row.turns} turns)`),
    column('handoff ns', (row) => row.handoffNs.toFixed(0)),
  ], width);
}

/** Rows of an earlier run that this one did not take anew. */
function kept(rows: readonly ThreadsRow[]): ThreadsRow[] {
  const path = join(root, 'bench', 'results', 'threads.json');
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ThreadsResults).rows : [];
  return before.filter(({ network, edition }) => !rows.some((row) => row.network === network && row.edition === edition));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      write: { type: 'boolean' }, network: { type: 'string' }, edition: { type: 'string' },
      turns: { type: 'string' }, threads: { type: 'string' },
    },
  });
  const wanted = (values.network ?? '').toLowerCase(), rows: ThreadsRow[] = [], threads = Number(values.threads ?? 2);
  const device = await createWasm({}, threads);
  expect(device.threads === threads, { kind: 'device', where: 'bench', needs: `${threads} threads`, got: device.whyFewer ?? '1' });
  for (const entry of entries) {
    if (!entry.network.toLowerCase().includes(wanted) || (values.edition && values.edition !== entry.edition)) continue;
    say(`${entry.network}, ${entry.edition} …`);
    rows.push(await rowOf(entry, device, Number(values.turns ?? 40)));
  }
  print(table(rows));
  const order = (row: ThreadsRow): number =>
    entries.findIndex(({ network, edition }) => network === row.network && edition === row.edition);
  const all = [...kept(rows), ...rows].sort((a, b) => order(a) - order(b));
  const record = linesJson({ environment: environment(device), rows: all });
  if (values.write) print(`\nwritten: ${put('bench/results/threads.json', record)}`);
  device.dispose();
}

await main();
