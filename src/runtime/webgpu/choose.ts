import type { Dispatch } from '../../backends/webgpu/program.ts';
import { programOf } from '../../backends/webgpu/program.ts';
import { FEW, wholeOf } from '../../backends/webgpu/candidates.ts';
import { variants } from '../../backends/webgpu/shaders.ts';
import { readsHalf } from '../../backends/webgpu/weight.ts';
import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { isHalf } from '../../formats/half.ts';
import type { Block, Matrix } from '../../formats/index.ts';
import { fillOf, nonzerosOf } from '../../formats/occupancy.ts';
import { storagesFor } from '../choices.ts';
import type { Decision } from '../choose.ts';
import { blockName, formatName } from '../lower/weight.ts';
import type { Candidate, TuneMemory, TuneMode } from '../tune.ts';
import type { Place, Storage, Ways, Weighted } from './lower/lower.ts';
import { boundBytes, storedShare } from './lower/parts.ts';

/** Rows that shaders keep together, fewest first. */
const laneCounts = [...new Set(Object.values(variants).flatMap(({ kernel, sizes }) => (kernel === 'spmm' ? [sizes.ROWS] : [])))]
  .sort((a, b) => a - b);
const most = laneCounts.at(-1)!;

/** Blocks this high share their positions among the invocations of a workgroup; a list of places for so many rows costs next to nothing. */
const TALL_BLOCKS: readonly Block[] = [16, 32, 64].map((rows) => ({ rows, cols: 1 }));
const LOW_BLOCK: Block = { rows: 4, cols: 1 };
/** A format is only tried where at least this share of what it stores is nonzero. */
const LEAST_FILL = 0.65;

/** What a stored position is thought to cost beside one of a dense weight, until that was timed: its index, and sums of fewer rows. */
function penalty(format: string, { rows, cols }: Block): number {
  if (format === 'dense') return 1;
  if (format === 'nm') return 1.3;
  if (cols > 1 || rows > most) return 1.1;
  return rows >= 4 ? 1.2 : rows > 1 ? 1.5 : 2;
}

/** What weights of 16 bits cost beside those of 32: products of few columns wait for them, others do not. */
const HALF_OF_FEW = 0.6;
const HALF_OF_MANY = 1.02;

/** Storages that differ in this alone are equals until one was timed: the first guess is taken. */
const BY_MOST = 1.01;

/** Rows that are kept together for staged shaders, which have most of their tiles for four. */
const STAGED_LANES = 4;

/** Weights up to this many are packed once more to be timed. */
const WORTH_TWICE = 1 << 24;

/**
 * How many rows are kept together, best guess first. Four suit staged shaders, as many as there are suit walking ones, so both are tried
 * (SwiftShader, 256x1024x256 dense: 56 ms by four rows, 37 by eight; blocks of 32x32 in a 3x3 layer of 64 at 14, 50 %: 10.6 and 7.9), but
 * not for dense weights whose columns do not lie in fours. A single column gives work to as many invocations as there are blocks of rows,
 * of a dense weight single rows then; but many together read the column once (1000x2048x1: 137 ms by one row, 41 by eight).
 */
function lanesFor({ rows, cols }: Matrix, [format, block]: readonly [string, Block], { columns, groups, inFours }: Weighted): number[] {
  const dense = format === 'dense', own = rows / groups, fitsMost = dense ? own >= most : block.rows % most === 0;
  const together = fitsMost ? STAGED_LANES : dense ? Math.min(own, STAGED_LANES) : block.rows, alone = dense && columns === 1;
  const few = alone ? 1 : laneCounts.find((lanes) => lanes >= together)!;
  return fitsMost && (!dense || inFours || alone) && rows * cols <= WORTH_TWICE ? [few, most] : [few];
}

/** A way to store a weight: the share of it that is stored, what that is thought to cost, bytes of values that must be bound together. */
export interface Storable extends Storage { readonly share: number; readonly cost: number; readonly bytes: number }

/** Ways to store a weight, in parts of at most `mostBytes`, best guess first; dense where nothing that is allowed fits the weight. */
export function storagesOf(weight: Weighted, mostBytes: number, allowed?: readonly string[]): Storable[] {
  const { columns, groups } = weight, whole = weight.matrix();
  const found = storagesFor(whole), sparse = found.some(([format]) => format === 'csr');
  // What low blocks do not fill, higher ones fill less.
  const tall = sparse && fillOf(whole, LOW_BLOCK) >= LEAST_FILL
    ? TALL_BLOCKS.filter((block) => whole.rows >= block.rows && fillOf(whole, block) >= LEAST_FILL) : [];
  const half = isHalf(whole.values);
  const ways = [...found, ...tall.map((block) => ['bsr', block] as const)].flatMap(([format, block]) =>
    lanesFor(whole, [format, block], weight).map((lanes) => ({ format, block, lanes })));
  const all = ways.flatMap((storage): Storable[] => {
    const { format, block, lanes } = storage;
    const share = storedShare(whole, format, block), bytes = boundBytes(whole, storage, { share, groups, most: mostBytes });
    const full = { ...storage, half: false, share, cost: share * penalty(format, block) * (lanes === most ? BY_MOST : 1), bytes };
    if (!half || !readsHalf(format, block, lanes)) return [full];
    return [full, { ...full, half: true, cost: full.cost * (columns <= FEW ? HALF_OF_FEW : HALF_OF_MANY), bytes: bytes / 2 }];
  });
  const fitting = all.filter(({ format }) => !allowed || allowed.includes(format));
  return (fitting.length ? fitting : all.filter(({ format }) => format === 'dense'))
    .filter(({ bytes }) => bytes <= mostBytes).sort((a, b) => a.cost - b.cost);
}

export interface Choosing {
  readonly gpu: Gpu;
  readonly place: Place;
  readonly weight: Weighted;
  readonly storages: readonly Storable[];
  /** What makes two layers cost the same, their weights apart. */
  readonly signature: string;
  readonly tune: TuneMode;
  readonly memory: TuneMemory;
  /** Milliseconds of measuring that are left. */
  readonly leftMs: number;
}

/** What was chosen for a weight; its ways stay on the device. */
export interface ChosenWay {
  readonly ways: Ways;
  readonly dispatches: readonly Dispatch[];
  readonly format: string;
  readonly kernel: string;
  readonly candidates: readonly Candidate[];
  readonly decided?: Decision;
}

/** Formats and blocks that are timed at most, dense among them, and shaders of each, then of their weights in 16 bits and in most rows. */
const MOST_STORAGES = 4;
const MOST_SHADERS = 3;
const MOST_HALF_SHADERS = 1;
const MOST_WALKING = 1;
/** A sparse way that is not faster than dense by this much loses: timings of equals scatter. */
const MARGIN = 0.02;

interface Entry { readonly storage: Storable; readonly ways: Ways; readonly shader: string; ms: number }

/** The fastest way to store and run a weight on this device, by timing where it may be timed. */
export async function chooseWay(choosing: Choosing): Promise<ChosenWay> {
  const { tune, leftMs, storages } = choosing, decided = tune === 'predict' ? 'predicted' : leftMs <= 0 ? 'out of time' : 'timed';
  const tried = decided === 'timed' ? promising(storages) : [likeliest(choosing)], held: Ways[] = [];
  try {
    const entries: Entry[] = [];
    for (const storage of tried) {
      const ways = await choosing.weight.ways(choosing.place, storage);
      held.push(ways);
      for (const shader of worthTiming(choosing, storage, ways.shaders)) entries.push({ storage, ways, shader, ms: Infinity });
    }
    const recalled = decided === 'timed' && recall(choosing, entries);
    if (decided === 'timed' && !recalled && entries.length > 1) await time(choosing, entries);
    const best = decided === 'timed' ? fastest(entries) : likeliestOf(choosing, entries);
    for (const ways of held) if (ways !== best.ways) ways.dispose();
    best.ways.settle(best.shader);
    const alone = storages.length === 1 && entries.length === 1;
    return chosen(best, entries, alone ? undefined : recalled ? 'remembered' : decided);
  } catch (error) {
    for (const ways of held) ways.dispose();
    throw error;
  }
}

/** The best guesses among the shaders of a storage. */
function worthTiming({ weight: { columns } }: Choosing, { lanes, half }: Storable, shaders: readonly string[]): readonly string[] {
  if (half) return shaders.slice(0, MOST_HALF_SHADERS);
  if (lanes < most || columns <= FEW) return shaders.slice(0, MOST_SHADERS);
  // Staged ones do as well by fewer rows, which are timed too.
  return shaders.filter((shader) => variants[wholeOf(shader)].kernel === 'spmm').slice(0, MOST_WALKING);
}

/** Where what is learnt of a device is kept: single columns are another thing than many, and so are columns apart. */
function costKey({ gpu, weight: { columns, inFours } }: Choosing, what: string): string {
  return `webgpu ${gpu.adapter}|${what}|${columns === 1 ? 'one column' : inFours ? 'columns' : 'columns apart'}`;
}

const positionOf = ({ format, block, lanes, half }: Storage): string =>
  `position of ${format} ${blockName(block)} ${lanes}${half ? ' of 16 bits' : ''}`;
const shaderOf = (shader: string): string => `shader ${shader}`;

/** The storage that promises to be cheapest: as positions of its kind were in layers that were timed, else as they are thought to be. */
function likeliest(choosing: Choosing): Storable {
  const costOf = (storage: Storable): number => {
    const known = choosing.memory.get(costKey(choosing, positionOf(storage)));
    return known === undefined ? storage.cost : storage.share * known;
  };
  return choosing.storages.reduce((best, storage) => (costOf(storage) < costOf(best) ? storage : best));
}

/** Of the entries of one storage that whose shader was fastest in layers that were timed; the best guess where that was not among them. */
function likeliestOf(choosing: Choosing, entries: readonly Entry[]): Entry {
  const costs = entries.map(({ shader }) => choosing.memory.get(costKey(choosing, shaderOf(shader))) ?? Infinity);
  return costs[0] < Infinity ? entries[costs.indexOf(Math.min(...costs))] : entries[0];
}

/** Notes what positions cost beside those of the dense weight, and shaders beside the best for the same storage, by timed layers. */
function learn(choosing: Choosing, entries: readonly Entry[]): void {
  const dense = least(entries.filter(isDense))?.ms ?? 0;
  for (const storage of new Set(entries.map((entry) => entry.storage))) {
    const own = entries.filter((entry) => entry.storage === storage), { ms } = least(own)!;
    if (!(ms > 0 && ms < Infinity)) continue;
    if (dense > 0 && storage.share > 0) note(choosing, positionOf(storage), ms / dense / storage.share);
    for (const entry of own) note(choosing, shaderOf(entry.shader), entry.ms / ms);
  }
}

/** The geometric mean over the layers that were timed. */
function note(choosing: Choosing, what: string, value: number): void {
  const { memory } = choosing, key = costKey(choosing, what), count = memory.get(`${key}|layers`) ?? 0;
  memory.set(key, Math.exp((Math.log(memory.get(key) ?? 1) * count + Math.log(value)) / (count + 1)));
  memory.set(`${key}|layers`, count + 1);
}

/** The best guesses, and dense, which is always worth knowing. */
function promising(storages: readonly Storable[]): Storable[] {
  const kind = ({ format, block }: Storable): string => `${format} ${blockName(block)}`;
  const sparse = [...new Set(storages.filter(({ format }) => format !== 'dense').map(kind))];
  const best = new Set(sparse.slice(0, MOST_STORAGES - 1)), taken = storages.filter((one) => best.has(kind(one)));
  return [...taken, ...storages.filter(({ format }) => format === 'dense')];
}

const isDense = ({ storage }: Entry): boolean => storage.format === 'dense';
const least = (entries: readonly Entry[]): Entry | undefined => entries.toSorted((a, b) => a.ms - b.ms)[0];

function fastest(entries: readonly Entry[]): Entry {
  const best = least(entries)!, dense = least(entries.filter(isDense));
  return !dense || best.ms < dense.ms * (1 - MARGIN) ? best : dense;
}

function chosen({ storage, ways, shader }: Entry, entries: readonly Entry[], decided?: Decision): ChosenWay {
  const nameOf = (of: Storable): string => formatName(of);
  const candidates = entries.filter(({ ms }) => ms < Infinity).sort((a, b) => a.ms - b.ms)
    .map((entry) => ({ format: entry.storage.format, kernel: entry.shader, ms: entry.ms }));
  return { ways, dispatches: ways.dispatches(shader), format: nameOf(storage), kernel: shader, candidates, ...(decided && { decided }) };
}

function keyOf({ gpu, weight, signature }: Choosing, { storage: { format, block, lanes }, shader }: Entry): string {
  const matrix = weight.matrix();
  const sizes = `${matrix.rows}x${matrix.cols}|nnz ${nonzerosOf(matrix)}`;
  return `webgpu ${gpu.adapter}|${signature}|${sizes}|${format} ${blockName(block)} ${lanes}|${shader}`;
}

/** Takes times of an earlier plan over; false where they are not all there. */
function recall(choosing: Choosing, entries: readonly Entry[]): boolean {
  const times = entries.map((entry) => choosing.memory.get(keyOf(choosing, entry)));
  if (times.includes(undefined)) return false;
  entries.forEach((entry, i) => { entry.ms = times[i]!; });
  return true;
}

/** A sample repeats a run until it lasts this long, so often at most. */
const SAMPLE_MS = 4;
const MOST_RUNS = 64;
const ROUNDS = 3;

/** Times entries in turns, so that a change of the device's mood meets all of them; the least counts. */
async function time(choosing: Choosing, entries: readonly Entry[]): Promise<void> {
  const { gpu, memory, leftMs } = choosing, start = performance.now(), where = 'tuning';
  const made = await Promise.allSettled(entries.map(({ ways, shader }) =>
    programOf(gpu.guard, gpu.pipeline, ways.dispatches(shader), where)));
  // A driver that does not take one shader takes others.
  const timed = entries.filter((_, i) => made[i].status === 'fulfilled');
  const programs = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  if (!programs.length) throw made.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))[0];
  const sample = async (i: number, runs: number): Promise<number> => {
    const from = performance.now();
    await gpu.guard.run(where, () => {
      const encoder = gpu.device.createCommandEncoder({ label: where }), pass = encoder.beginComputePass();
      for (let n = 0; n < runs; n++) programs[i].encode(pass);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
    });
    await gpu.guard.wait(where, 'work to end', gpu.device.queue.onSubmittedWorkDone());
    return (performance.now() - from) / runs;
  };
  try {
    const once: number[] = [];
    for (const i of timed.keys()) {
      await sample(i, 1); // the first run of a shader may still compile
      once.push(await sample(i, 1));
    }
    const runs = Math.max(1, Math.min(MOST_RUNS, Math.ceil(SAMPLE_MS / Math.max(1e-3, Math.min(...once)))));
    for (let round = 0; round < ROUNDS && (round === 0 || performance.now() - start < leftMs); round++) {
      for (const [i, entry] of timed.entries()) entry.ms = Math.min(entry.ms, await sample(i, runs));
    }
    for (const entry of timed) memory.set(keyOf(choosing, entry), entry.ms);
    learn(choosing, timed);
  } finally {
    for (const program of programs) program.dispose();
  }
}
