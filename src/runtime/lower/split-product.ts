import type { Call, Phase } from '../../backends/index.ts';
import { parseKernel, type Kernel } from '../../kernels.ts';
import { PART } from './weight.ts';
import { along, at, balancedRanges, evenRanges, type Axis, type Job, type Range, type Rule, type Sharer } from './shares.ts';

// Products are cut by columns of C (panels), by rows of A (so that stored positions balance), or both: what costs least.

/** Patterns whose row blocks are bounded by `ptr`; the others store the same number of positions in each. */
const COUNTED: Readonly<Record<string, boolean>> = { dense: false, csr: true, bsr: true };

/** What a row of a panel costs to pack, and a row of C to begin and end, in multiply-adds of one column. */
const PACK_COST = 3;
const ROW_COST = 6;
/** Multiply-adds a nanosecond: for the decision whether cutting pays, no more. */
const MACS_A_NS = 20;

/** Where the values, indices and pointers of one block of K begin. */
interface Part { readonly values: number; readonly idx: number; readonly ptr: number; readonly before: (block: number) => number }

interface Left {
  readonly parts: readonly Part[];
  readonly counted: boolean;
  readonly blocks: number;
  /** Bytes of the values of a position. */
  readonly positionBytes: number;
  /** Multiply-adds of one column of C for the row blocks before each. */
  readonly cost: Float64Array;
}

/** The packed left side as it lies on the device, or undefined where this file does not know its pattern. */
function leftOf(sharer: Sharer, job: Job): Left | undefined {
  const tile = job.spmmJob as Call, { pattern = '', rows: lanes } = parseKernel(tile.kernel);
  // A second kernel for the last rows, and pairs that differ between blocks of K, keep all rows together.
  if (!Object.hasOwn(COUNTED, pattern) || job.restJob) return undefined;
  const counted = COUNTED[pattern], blocks = at(tile.job, 'blocks'), run = at(tile.job, 'run') || 1;
  const count = Math.ceil(at(job, 'depth') / at(job, 'kBlock')), words = sharer.words(at(job, 'parts'), count * PART);
  const parts = Array.from({ length: count }, (_, p): Part => {
    const [values, idx, ptr] = words.subarray(p * PART, p * PART + 3), before = counted ? sharer.words(ptr, blocks + 1) : undefined;
    return { values, idx, ptr, before: (block) => (before ? before[block] - before[0] : block * ptr) };
  });
  const cost = Float64Array.from({ length: blocks + 1 }, (_, block) =>
    parts.reduce((sum, part) => sum + part.before(block) * run * lanes, block * at(tile.job, 'blockRows') * ROW_COST));
  return { parts, counted, blocks, positionBytes: run * lanes * 4, cost };
}

/** Ranges of columns on whole panels, the last at least one panel wide; none where there are too few. */
function columnRanges(cols: number, width: number, parts: number): Range[] {
  const ranges = evenRanges(Math.ceil(cols / width), parts).map(([from, to]) => [from * width, Math.min(cols, to * width)]);
  const last = ranges[ranges.length - 1], before = ranges[ranges.length - 2];
  // A ragged panel overlaps the one before it, which must be the same thread's.
  if (before && last[1] - last[0] < width) before[1] = last[0] = cols - width;
  return ranges.every(([from, to]) => ranges.length === 1 || to - from >= width) ? (ranges as unknown as Range[]) : [];
}

/** As many ranges of columns as there can be. */
function mostRanges(cols: number, width: number, parts: number): Range[] {
  const ranges = columnRanges(cols, width, parts);
  return ranges.length ? ranges : mostRanges(cols, width, parts - 1);
}

interface Grid { readonly rows: readonly Range[]; readonly cols: readonly Range[]; readonly cost: number }

/** The division of C into rows × cols parts whose slowest part is fastest. */
function bestGrid(job: Job, left: Left | undefined, threads: number): Grid {
  const cols = at(job, 'cols'), width = at(job, 'width'), pack = at(job, 'depth') * PACK_COST;
  const whole: Range = [0, left?.blocks ?? 0], all = left?.cost ?? [0];
  const grid = (rows: readonly Range[], ranges: readonly Range[]): Grid => {
    const panels = Math.max(...ranges.map(([from, to]) => Math.ceil((to - from) / width)));
    return { rows, cols: ranges, cost: panels * width * (Math.max(...rows.map(([from, to]) => all[to] - all[from])) + pack) };
  };
  let best = grid([whole], [[0, cols]]);
  for (let r = 1; r <= (left ? threads : 1); r++) {
    const rows = left ? balancedRanges(left.cost, r) : [whole], ranges = mostRanges(cols, width, Math.floor(threads / r));
    const other = grid(rows, ranges);
    if (other.cost < best.cost) best = other;
  }
  return best;
}

/** The part of a product that makes rows × columns of C, with a panel and, where tiles are finished aside, a tile of its own. */
function productPart(
  sharer: Sharer, job: Job, { left, rows, cols: [first, cols] }: { left: Left | undefined; rows: Range; cols: Range },
): Job {
  const [tile, rest, pack, unpack] = ['spmmJob', 'restJob', 'packJob', 'unpackJob'].map((field) => job[field] as Call | undefined);
  const own = tile!.job, blockRows = at(own, 'blockRows'), end = rest ? at(own, 'rows') + at(rest.job, 'rows') : at(own, 'rows');
  const row = left ? rows[0] * blockRows : 0, count = left ? Math.min(end, rows[1] * blockRows) - row : end;
  // What is read in place needs no panel.
  const panel = pack ? sharer.scratch(Math.min(at(job, 'kBlock'), at(job, 'depth')) * at(pack.job, 'width') * 4) : at(own, 'panel');
  const c = unpack ? sharer.scratch(count * at(own, 'unit')) : at(job, 'c') + row * at(own, 'cStride');
  const bias = at(own, 'bias') && at(own, 'bias') + row * 4, tileRows: Job = left ? { rows: count, blocks: rows[1] - rows[0] } : {};
  return {
    ...job, first, cols, c,
    parts: left ? partsFrom(sharer, left, rows[0], at(job, 'parts')) : at(job, 'parts'),
    spmmJob: { ...tile!, job: { ...own, panel, c, bias, ...tileRows } },
    ...(rest && { restJob: { ...rest, job: { ...rest.job, panel } } }),
    ...(pack && { packJob: { ...pack, job: { ...pack.job, panel } } }),
    ...(unpack && {
      unpackJob: { ...unpack, job: { ...unpack.job, src: c, rows: count, dst: at(unpack.job, 'dst') + row * at(unpack.job, 'rowStride') } },
    }),
  };
}

/** The table of parts for the row blocks from `block` on. */
function partsFrom(sharer: Sharer, { parts, counted, positionBytes }: Left, block: number, whole: number): number {
  if (block === 0) return whole;
  const words = Uint32Array.from(parts.flatMap(({ values, idx, ptr, before }) =>
    [values + before(block) * positionBytes, idx + before(block) * 2, counted ? ptr + block * 4 : ptr, 0]));
  return sharer.upload(`${words.join()}|parts`, () => words);
}

export const cutMatmul: Rule = (sharer, { kernel, job }): Phase | undefined => {
  const left = leftOf(sharer, job), grid = bestGrid(job, left, sharer.threads);
  if (grid.rows.length * grid.cols.length === 1 || grid.cost / MACS_A_NS < sharer.leastNs / 2) return undefined;
  return grid.rows.flatMap((rows) => grid.cols.map((cols) => [{ kernel, job: productPart(sharer, job, { left, rows, cols }) }]));
};

/** Bytes a nanosecond of the stream of weights. */
const STREAM_BYTES_A_NS = 10;
/** Rows of a dense matrix that a thread takes at a time. */
const DENSE_ROWS = 8;

/** Rows [from, to) of a matrix × vector product. */
const vectorRows = (job: Job, row: number, end: number): Job =>
  ({ y: at(job, 'y') + row * 4, bias: at(job, 'bias') && at(job, 'bias') + row * 4, rows: Math.min(at(job, 'rows'), end) - row });

const vector: Readonly<Record<string, (job: Job, sharer: Sharer, kernel: Kernel) => Axis>> = {
  dense: (job, _sharer, { dtype }) => {
    const rowBytes = at(job, 'cols') * (dtype === 'f16' ? 2 : 4);
    return {
      pieces: Math.ceil(at(job, 'rows') / DENSE_ROWS), ns: (at(job, 'rows') * rowBytes) / STREAM_BYTES_A_NS,
      part: ([from, to]) => ({
        ...vectorRows(job, from * DENSE_ROWS, to * DENSE_ROWS), values: at(job, 'values') + from * DENSE_ROWS * rowBytes,
      }),
    };
  },
  csr: (job, sharer, { rows }) => counted(job, sharer, rows),
  bsr: (job, sharer, { rows }) => counted(job, sharer, rows),
};

/** Blocks of rows bounded by `ptr`. */
function counted(job: Job, sharer: Sharer, lanes: number): Axis {
  const blocks = at(job, 'blocks'), blockRows = at(job, 'blockRows'), positionBytes = (at(job, 'run') || 1) * lanes * 4;
  const ptr = sharer.words(at(job, 'ptr'), blocks + 1);
  return {
    pieces: blocks, ns: ((ptr[blocks] - ptr[0]) * (positionBytes + 2)) / STREAM_BYTES_A_NS,
    before: Float64Array.from(ptr, (positions, block) => (positions - ptr[0]) * positionBytes + block * lanes * ROW_COST),
    part: ([from, to]) => ({
      ...vectorRows(job, from * blockRows, to * blockRows), blocks: to - from, ptr: at(job, 'ptr') + from * 4,
      values: at(job, 'values') + (ptr[from] - ptr[0]) * positionBytes, idx: at(job, 'idx') + (ptr[from] - ptr[0]) * 2,
    }),
  };
}

export const cutSpmv: Rule = along((job, sharer, name) => {
  const kernel = parseKernel(name), { pattern = '' } = kernel;
  return Object.hasOwn(vector, pattern) ? vector[pattern](job, sharer, kernel) : undefined;
});
