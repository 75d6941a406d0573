import type { Call, FieldValue, Phase } from '../../backends/index.ts';
import type { Context } from './context.ts';

// How work is shared out: ranges of pieces, one a thread, and what a part of a call needs of its own.

export type Job = Readonly<Record<string, FieldValue>>;

/** What cutting a call may ask: memory of its own for each part, tables, and the words of those that are on the device. */
export interface Sharer extends Pick<Context, 'scratch' | 'upload'> {
  readonly threads: number;
  /** A call that takes less than this stays whole: threads that meet and the cache lines they exchange cost as much. */
  readonly leastNs: number;
  words(address: number, count: number): Uint32Array;
}

/** A call as calls for several threads, or undefined where it stays whole. */
export type Rule = (sharer: Sharer, call: Call) => Phase | undefined;

/** [from, to) in pieces. */
export type Range = readonly [from: number, to: number];

/** A number of a record; fields left out are 0. */
export function at(job: Job, field: string): number {
  const value = job[field] ?? 0;
  return typeof value === 'number' ? value : NaN;
}

/** At most `parts` ranges of [0, pieces), as equal as whole pieces can be, none empty. */
export function evenRanges(pieces: number, parts: number): Range[] {
  const count = Math.max(1, Math.min(parts, pieces));
  return Array.from({ length: count }, (_, i) => [Math.floor((pieces * i) / count), Math.floor((pieces * (i + 1)) / count)] as const);
}

/** At most `parts` ranges of about equal cost, none empty; before[i] is the cost of the pieces before piece i. */
export function balancedRanges(before: ArrayLike<number>, parts: number): Range[] {
  const pieces = before.length - 1, ranges: Range[] = [];
  for (let from = 0, left = Math.min(parts, pieces); left > 0; left--) {
    // What is left is shared by those who are left, so that one heavy piece does not empty the next share.
    const wanted = before[from] + (before[pieces] - before[from]) / left;
    let to = from + 1;
    while (to < pieces - left + 1 && (before[to] + before[to + 1]) / 2 <= wanted) to++;
    if (left === 1) to = pieces;
    ranges.push([from, to]);
    from = to;
  }
  return ranges;
}

/** A call that can be cut along one axis. */
export interface Axis {
  readonly pieces: number;
  /** Nanoseconds of the whole call, roughly. */
  readonly ns: number;
  /** Cost of the pieces before each; all cost the same where absent. */
  readonly before?: ArrayLike<number>;
  /** The record for pieces [from, to). */
  readonly part: (range: Range) => Job;
  /** For kernels that may write past the end of what they make: how much a piece makes, and how to write pieces to another address. */
  readonly overrun?: { readonly pieceBytes: number; readonly dst: number; readonly moved: (range: Range, dst: number) => Job };
}

/** Most bytes that a kernel writes past its end. */
const OVERRUN_BYTES = 64;

/** The rule of kernels that are cut along one axis. */
export function along(axisOf: (job: Job, sharer: Sharer, kernel: string) => Axis | undefined): Rule {
  return (sharer, { kernel, job }) => {
    const axis = axisOf(job, sharer, kernel);
    if (!axis || axis.ns < sharer.leastNs || axis.pieces < 2) return undefined;
    const ranges = axis.before ? balancedRanges(axis.before, sharer.threads) : evenRanges(axis.pieces, sharer.threads);
    return ranges.map((range) => {
      const call = (fields: Job): Call => ({ kernel, job: { ...job, ...fields } });
      const last = range[1] === axis.pieces;
      return axis.overrun && !last ? within(sharer, axis, range, call) : [call(axis.part(range))];
    });
  };
}

/**
 * Pieces whose end is another thread's beginning: the last of them are made aside and copied to their place, so that what is written too
 * much falls on memory of this thread.
 */
function within(sharer: Sharer, { part, overrun }: Axis, [from, to]: Range, call: (fields: Job) => Call): Call[] {
  const { pieceBytes, dst, moved } = overrun!, rest = Math.max(from, to - Math.ceil(OVERRUN_BYTES / pieceBytes));
  const bytes = (to - rest) * pieceBytes, src = sharer.scratch(bytes);
  const copy = { src, dst: dst + rest * pieceBytes, n0: 1, n1: 1, n2: 1, n3: 1, n4: 1, n5: bytes / 4, s5: 4, d5: 4 };
  return [
    ...(rest > from ? [call(part([from, rest]))] : []),
    call(moved([rest, to], src)),
    { kernel: 'b32_copy', job: copy },
  ];
}
