import type { Counting } from './counting.ts';
import type { Scores } from './criteria/criteria.ts';
import { countOnes, kthSmallest, smallest } from './select.ts';

/** How many go of what is ranked together. */
export interface Ranking {
  readonly sparsity: number;
  readonly counting: Counting;
  /** Least fraction of the groups of each list that stays; at least one group where it is above 0. */
  readonly floor: number;
}

export interface Ranked {
  /** 1: goes. An array for each list. */
  readonly marks: Uint8Array[];
  /** How many groups of each list stay though they score like one that goes. */
  readonly ties: number[];
  /** Whether more of a list would have gone but for the floor. */
  readonly floored: boolean[];
}

/** Drops the smallest of several lists of scores that are ranked together. */
export function rank(lists: readonly Scores[], { sparsity, counting, floor }: Ranking): Ranked {
  const total = lists.reduce((sum, list) => sum + list.length, 0), count = Math.min(total, Math.max(0, counting.drop(total, sparsity)));
  const most = lists.map(({ length }) => length - Math.min(length, Math.ceil(floor * length)));
  const marks = withTies(lists, smallest(lists, count), counting.ties), floored = lists.map(() => false);
  // Who is over the floor loses that much and no more, and the others make up for it, until nobody is.
  for (let over = overdrawn(marks, most); over.some((is) => is); over = overdrawn(marks, most)) {
    over.forEach((is, l) => { floored[l] ||= is; });
    const free = lists.filter((_, l) => !floored[l]), taken = most.reduce((sum, least, l) => sum + (floored[l] ? least : 0), 0);
    const again = smallest(free, Math.max(0, count - taken)).values();
    lists.forEach((list, l) => { marks[l] = floored[l] ? smallest([list], most[l])[0] : again.next().value!; });
  }
  const edge = edgeOf(lists, marks);
  return { marks, floored, ties: lists.map((list, l) => tiesOf(list, marks[l], edge)) };
}

const overdrawn = (marks: readonly Uint8Array[], most: readonly number[]): boolean[] => marks.map((own, l) => countOnes(own) > most[l]);

/** The largest score that goes, −Infinity where nothing does. */
function edgeOf(lists: readonly Scores[], marks: readonly Uint8Array[]): number {
  let edge = -Infinity;
  lists.forEach((list, l) => { for (let i = 0; i < list.length; i++) if (marks[l][i] && list[i] > edge) edge = list[i]; });
  return edge;
}

function tiesOf(list: Scores, marks: Uint8Array, edge: number): number {
  let ties = 0;
  if (edge > -Infinity) for (let i = 0; i < list.length; i++) if (!marks[i] && list[i] === edge) ties++;
  return ties;
}

/** Marks as libraries make them that compare with a threshold: equals go together or stay together. */
function withTies(lists: readonly Scores[], marks: Uint8Array[], ties: Counting['ties']): Uint8Array[] {
  const count = marks.reduce((sum, own) => sum + countOnes(own), 0), total = marks.reduce((sum, own) => sum + own.length, 0);
  if (ties === 'exact' || count === total || (ties === 'drop' && count === 0)) return marks;
  const threshold = kthSmallest(lists, ties === 'drop' ? count - 1 : count);
  return lists.map((list) => {
    const own = new Uint8Array(list.length);
    for (let i = 0; i < own.length; i++) own[i] = list[i] < threshold || (ties === 'drop' && list[i] === threshold) ? 1 : 0;
    return own;
  });
}
