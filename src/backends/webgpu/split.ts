import type { Packed } from '../../formats/index.ts';
import type { Problem, Steps } from './problem.ts';
import type { Factor } from './weight.ts';

// Blocks of rows that store far more than the others would keep a device waiting for the few invocations that walk them: they are
// cut into pieces, which run side by side as if each were a block of its own, and another pass adds up their sums (split-K).

/** Stored k of a piece, at least: sums of fewer are not worth writing down and reading again. */
const LEAST_PIECE = 128;
/** Pieces that all of a weight would be cut into at most: with these many a device is busy however few the columns are. */
const MOST_PIECES = 1024;
/** Blocks that store this many times as much as a piece are cut. */
const HEAVY = 4;

type Counted = Pick<Packed, 'ptr' | 'blocks' | 'blockCols' | 'starts'>;

/** How the heavy blocks of a packing are cut. Lists of every group are as long as the longest, filled up with blocks past the last. */
export interface Cut {
  /** Blocks of each group that are left whole, those with the most first; and how many they are, in the group with the most of them. */
  readonly light: Uint32Array;
  readonly lightBlocks: number;
  /**
   * ptr[parts · (blocks + 1)] of the pieces, each a block of positions, and of what lies between them; from `pieceOrder` on which of a
   * group's blocks are pieces; from `sumOrder` on, of each heavy block of a group, its place, its first piece and how many it has.
   */
  readonly words: Uint32Array;
  readonly pieceOrder: number;
  readonly sumOrder: number;
  /** Blocks in `ptr`, of all groups; pieces and heavy blocks of the group with the most of them. */
  readonly blocks: number;
  readonly pieces: number;
  readonly heavy: number;
  /** k stored in all, in the longest block and in a piece. */
  readonly total: number;
  readonly longest: number;
  readonly piece: number;
}

/**
 * Blocks of rows of each group in the order of what they store, the most first: rows that run side by side then end together, and
 * no heavy one comes last (row swizzle, Gale et al., Sparse GPU Kernels for Deep Learning, 2020).
 */
export function orderOf(counts: Uint32Array, groups: number): Uint32Array {
  const order = new Uint32Array(counts.length), each = counts.length / groups;
  for (let first = 0; first < counts.length; first += each) {
    const own = order.subarray(first, first + each).map((_, i) => i);
    order.set(own.sort((a, b) => counts[first + b] - counts[first + a] || a - b), first);
  }
  return order;
}

/** k that each block of rows stores, over all parts. */
export function countsOf({ ptr, blocks, blockCols, starts }: Counted): Uint32Array {
  const counts = new Uint32Array(blocks);
  for (let part = 0; part < starts.length; part++) {
    const at = part * (blocks + 1);
    for (let i = 0; i < blocks; i++) counts[i] += (ptr[at + i + 1] - ptr[at + i]) * blockCols;
  }
  return counts;
}

/** Where a block of positions begins: `nth` of `of` equal shares of a block of rows into it. */
interface Begin { readonly block: number; readonly nth: number; readonly of: number }
interface Heavy { readonly block: number; readonly first: number; readonly pieces: number }

/** A group's blocks of positions, and which of its heavy blocks they are pieces of. Blocks count from the group's first. */
function cutGroup(counts: Uint32Array, piece: number): { begins: Begin[]; heavy: Heavy[] } {
  const begins: Begin[] = [], heavy: Heavy[] = [];
  let next = 0; // the first block that nothing begins at yet
  for (const [block, count] of counts.entries()) {
    if (count <= HEAVY * piece) continue;
    if (block > next) begins.push({ block: next, nth: 0, of: 1 });
    const pieces = Math.ceil(count / piece);
    heavy.push({ block, first: begins.length, pieces });
    for (let nth = 0; nth < pieces; nth++) begins.push({ block, nth, of: pieces });
    next = block + 1;
  }
  if (next < counts.length) begins.push({ block: next, nth: 0, of: 1 });
  return { begins, heavy };
}

/** `lists`, each filled up to the length of the longest, one after the other. */
function filled(lists: readonly (readonly number[])[], length: number, filler: readonly number[]): number[] {
  return lists.flatMap((list) => [...list, ...Array.from({ length: (length - list.length) / filler.length }, () => filler).flat()]);
}

const most = (lists: readonly { readonly length: number }[]): number => Math.max(...lists.map(({ length }) => length));

/** Positions before each block of every group, part by part. */
function pointersOf({ ptr, blocks, starts }: Counted, groups: readonly (readonly Begin[])[], each: number): Uint32Array {
  const perGroup = blocks / groups.length, out = new Uint32Array(starts.length * (each * groups.length + 1));
  let to = 0;
  for (let part = 0; part < starts.length; part++) {
    const at = part * (blocks + 1);
    for (const [group, begins] of groups.entries()) {
      const first = at + group * perGroup;
      for (const { block, nth, of } of begins) {
        const from = ptr[first + block];
        out[to++] = from + Math.floor(((ptr[first + block + 1] - from) * nth) / of);
      }
      out.fill(ptr[first + perGroup], to, to += each - begins.length);
    }
    out[to++] = ptr[at + blocks];
  }
  return out;
}

/**
 * How to cut what is heavy in a packing whose blocks of rows have pointers of their own; undefined where nothing is.
 * @param order blocks of each group, those with the most first
 */
export function cutOf(packed: Counted, counts: Uint32Array, order: Uint32Array, groups: number): Cut | undefined {
  const total = counts.reduce((a, b) => a + b, 0), longest = counts.reduce((a, b) => Math.max(a, b), 0);
  const piece = Math.max(LEAST_PIECE, Math.ceil(total / MOST_PIECES)), perGroup = packed.blocks / groups;
  if (longest <= HEAVY * piece) return undefined;
  const inGroups = Array.from({ length: groups }, (_, g) => cutGroup(counts.subarray(g * perGroup, (g + 1) * perGroup), piece));
  const heavyOf = inGroups.map(({ heavy }) => new Set(heavy.map(({ block }) => block)));
  const light = heavyOf.map((heavy, g) => [...order.subarray(g * perGroup, (g + 1) * perGroup)].filter((block) => !heavy.has(block)));
  const pieces = inGroups.map(({ heavy }) => heavy.flatMap(({ first, pieces }) => Array.from({ length: pieces }, (_, i) => first + i)));
  const sums = inGroups.map(({ heavy }) => heavy.flatMap(({ block, first, pieces }) => [block, first, pieces]));
  const each = most(inGroups.map(({ begins }) => begins)), ptr = pointersOf(packed, inGroups.map(({ begins }) => begins), each);
  // Orders are read with a group's blocks from one group to the next.
  const pieceOrder = filled(pieces, each, [each]), sumOrder = filled(sums, most(sums), [perGroup, 0, 0]);
  return {
    light: Uint32Array.from(filled(light, perGroup, [perGroup])), lightBlocks: most(light),
    words: Uint32Array.from([...ptr, ...pieceOrder, ...sumOrder]), pieceOrder: ptr.length, sumOrder: ptr.length + pieceOrder.length,
    blocks: each * groups, pieces: most(pieces), heavy: most(sums) / 3, total, longest, piece,
  };
}

/** Where the sums of pieces lie, in floats: rows of as many columns as C has. */
export function piecesOf({ packed, groups, split }: Factor, { columns }: Problem): Steps {
  return { step: split ? (split.cut.blocks / groups) * packed.blockRows * columns : 0, row: columns, col: 1 };
}

/** Bytes that these sums take, of all products in all images. */
export function pieceBytes(factor: Factor, problem: Problem): number {
  return problem.images * factor.groups * piecesOf(factor, problem).step * 4;
}
