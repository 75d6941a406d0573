import { variants } from './shaders.ts';
import { mostBound } from './guard.ts';
import { pieceBytes } from './split.ts';
import type { Problem } from './problem.ts';
import type { Factor } from './weight.ts';

/** Columns of a workgroup whose invocations compute eight each. */
const WIDE = 128;

/** Spans of four take what lies in fours: neighbours in memory, and no row that begins between two spans. */
export function takesVectors({ columns, b, c, window }: Problem): boolean {
  return !window && b.col === 1 && c.col === 1 && [columns, b.row, b.step, c.row, c.step].every((n) => n % 4 === 0);
}

/** How B is read, as names of walking and of staged shaders say it, and the columns of a walking invocation, best guess first. */
function inputOf(problem: Problem): { walked: string; vector: string; staged: string; widths: readonly number[] } {
  const { columns } = problem;
  if (problem.window) return { walked: 'conv', vector: 'spmv_conv', staged: 'matmul_conv', widths: columns > 16 ? [4, 1] : [1, 4] };
  if (takesVectors(problem)) return { walked: 'spmm', vector: 'spmv', staged: 'matmul', widths: columns < WIDE ? [4, 8, 1] : [8, 4, 1] };
  // Elements apart: spmm takes one column at a time wherever it lies.
  return { walked: columns > 32 ? 'spmmt' : 'spmm', vector: 'spmv', staged: 'matmul_t', widths: columns > 32 ? [4] : [1] };
}

/** Rows and columns of C that a workgroup computes, those past the edges of a block included. */
export function tileOf(name: string): { readonly blocks: number; readonly rows: number; readonly columns: number } {
  const { ROWS = 1, BLOCKS = 1, GROUP_X = 1, GROUP_Y = 1, SPAN = 1, SPANS = 1 } = variants[name].sizes, blocks = GROUP_Y * BLOCKS;
  return { blocks, rows: blocks * ROWS, columns: GROUP_X * SPANS * SPAN };
}

/** Whether the blocks of rows of a workgroup have their positions in common: dense ones, or those of one block of the format. */
function sharesPositions({ pattern, packed, groups }: Factor, name: string): boolean {
  const { blocks } = tileOf(name);
  if (pattern === 'dense') return true;
  const perBlock = packed.block.rows / packed.blockRows;
  // A last block may have fewer rows, but another group must not begin inside it.
  return perBlock % blocks === 0 && (groups === 1 || (packed.blocks / groups) % perBlock === 0);
}

/** Whether windows of these weights lie whole in what a shader for N:M stages at a time. */
function fitsWindows({ packed }: Factor, name: string): boolean {
  const { keep = 0, of = 0 } = packed.block, { DEPTH, PANEL_DEPTH } = variants[name].sizes;
  return keep > 0 && of * DEPTH === keep * PANEL_DEPTH && DEPTH % keep === 0;
}

/** Which of the staged shaders can run a factor, by their kernel. */
const canStage: Readonly<Record<string, (factor: Factor, name: string) => boolean>> = { matmul: sharesPositions, windows: fitsWindows };

const staged = Object.entries(variants).filter(([, { kernel }]) => kernel in canStage)
  // Its name without sizes says what it walks and reads.
  .map(([name, variant]) => ({ name, kind: name.replace(/(_\d+)+x\d+$/, ''), ...variant }));

/** Work of a staged product's workgroups relative to what is asked for: 1 where all tiles are full. */
function waste(name: string, { packed, groups, rows }: Factor, { columns }: Problem): number {
  const tile = tileOf(name), blocks = packed.blocks / groups;
  const high = Math.ceil(blocks / tile.blocks) * tile.blocks * packed.blockRows, wide = Math.ceil(columns / tile.columns) * tile.columns;
  return (high / rows) * (wide / columns);
}

/** Workgroups that keep most devices busy; below it smaller tiles are better although they read more. */
const BUSY = 64;

/** Smaller is better: work, more of it where tiles are small and read more, and where there are too few of them. */
function costOf(name: string, factor: Factor, problem: Problem): number {
  const tile = tileOf(name), { packed, groups } = factor;
  const workgroups = Math.ceil(packed.blocks / groups / tile.blocks) * Math.ceil(problem.columns / tile.columns) * groups * problem.images;
  const reads = 1 / tile.rows + 1 / tile.columns;
  return waste(name, factor, problem) * (1 + 16 * reads) * Math.max(1, Math.sqrt(BUSY / workgroups));
}

/** Columns that are better done one by one, with many invocations along K, than side by side. */
export const FEW = 8;
/** Invocations that share a block of rows, and how they add up, best guess first: each should have some k to add. */
const alongs = (depth: number): readonly string[] =>
  (depth > 256 ? ['64_subgroups', '32_subgroups', '64', '16'] : ['32_subgroups', '16', '64_subgroups', '64']);

/** Half-empty workgroups cost more than what staging saves. */
const MOST_WASTE = 4;

/** What a split product is called: as the shader that runs its rows and their pieces, with this at the end. */
const SPLIT = '_split';

/** The shader of a name among the candidates: that which a split product runs. */
export function wholeOf(name: string): string {
  return name.endsWith(SPLIT) ? name.slice(0, -SPLIT.length) : name;
}

/** Invocations that keep most devices busy, and steps along K that two more dispatches cost. */
const BUSY_INVOCATIONS = 8192;
const MORE_DISPATCHES = 512;

/** Whether a walk would wait for its heavy rows so long that pieces are thought to be faster: by steps along K of one invocation. */
function waits({ cut }: NonNullable<Factor['split']>, { columns, images }: Problem, name: string): boolean {
  const { ALONG = 1, SPAN, SPANS } = variants[name].sizes;
  const shared = (cut.total * Math.ceil(columns / (SPAN * SPANS)) * images) / BUSY_INVOCATIONS;
  return Math.max(cut.longest / ALONG, shared) > Math.max(cut.piece / ALONG, shared) + MORE_DISPATCHES;
}

/** What of a device decides which shaders it can run. */
export type Abilities = Pick<GPUDevice, 'limits' | 'features'>;

/** Whether a device has all features that a shader needs; without a device, none. */
export function canRun(name: string, device?: Pick<Abilities, 'features'>): boolean {
  return (variants[name].needs ?? []).every((feature) => device?.features.has(feature));
}

/** Shaders that walk rows with the split of the best guess, where that is possible: in front where heavy rows would be waited for. */
function withSplit(names: readonly string[], factor: Factor, problem: Problem, { limits }: Abilities): readonly string[] {
  const { split } = factor, [best, ...others] = names;
  if (!split || !best || pieceBytes(factor, problem) > mostBound(limits)) return names;
  if (waits(split, problem, best)) return [best + SPLIT, ...names];
  // Where many invocations share a row as it is, pieces of it are the last resort.
  return variants[best].sizes.ALONG ? [...names, best + SPLIT] : [best, best + SPLIT, ...others];
}

/**
 * Names of the shaders that can run this, best guess first, so that a chooser can time them: staged products, which read what
 * they multiply from workgroup memory, where the packing lets a workgroup's rows share their positions, and walking ones.
 * @param device with what it has besides: products of several dispatches are named too, for productDispatches
 */
export function candidates(factor: Factor, problem: Problem, device?: Abilities): string[] {
  const { pattern, packed, dtype = 'f32' } = factor, { walked, vector, staged: op, widths } = inputOf(problem), lanes = packed.layout.lanes;
  const walking = widths.map((width) => `${dtype}_${pattern}_${walked}_${lanes}x${width}`);
  const kinds = [`${dtype}_${pattern}_${op}`, `${dtype}_${pattern}_${op.replace('matmul', 'windows')}`];
  const fitting = staged
    .filter(({ kind, sizes }) => kinds.includes(kind) && sizes.ROWS === lanes)
    .filter(({ name, kernel }) => canStage[kernel](factor, name))
    .map(({ name }) => ({ name, cost: costOf(name, factor, problem), waste: waste(name, factor, problem) }))
    .sort((a, b) => a.cost - b.cost);
  const good = fitting.filter((one) => one.waste <= MOST_WASTE).map(({ name }) => name);
  const poor = fitting.filter((one) => one.waste > MOST_WASTE).map(({ name }) => name);
  const few = problem.columns <= FEW ? alongs(packed.cols).map((along) => `${dtype}_${pattern}_${vector}_${lanes}x${along}`) : [];
  const runs = (name: string): boolean => canRun(name, device);
  const splits = (names: readonly string[]): readonly string[] => (device ? withSplit(names, factor, problem, device) : names);
  const vectors = splits(few.filter(runs)), walkers = splits(walking.filter(runs)), able = good.filter(runs);
  // Which of both kinds wins is the device's to say: the best guesses of each are among the first.
  return [...vectors, ...able.slice(0, 2), ...walkers.slice(0, 1), ...able.slice(2), ...walkers.slice(1), ...poor.filter(runs)];
}
