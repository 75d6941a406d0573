/** Places 0 … length − 1 that wait for a visit, at first all of them. */
export interface Worklist {
  /** Lets a place wait; one that waits already is visited once. */
  readonly add: (place: number) => void;
  /** The next place, which waits no longer; undefined where none waits. */
  readonly next: () => number | undefined;
}

/**
 * Visits come in the order in which sweeps over all places would make them, without the visits between: a place behind the current one
 * has its turn in this sweep, others in the next. A binary heap of turns, a sweep being `length` of them.
 */
export function worklistOf(length: number): Worklist {
  const heap = Array.from({ length }, (_, place) => place), waits = new Uint8Array(length).fill(1);
  let turn = -1;
  const up = (key: number): void => {
    let at = heap.push(key) - 1;
    for (let above = (at - 1) >> 1; at > 0 && heap[above] > key; above = (at - 1) >> 1) {
      heap[at] = heap[above];
      at = above;
    }
    heap[at] = key;
  };
  const down = (key: number): void => {
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && heap[below + 1] < heap[below]) below++;
      if (heap[below] >= key) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = key;
  };
  return {
    add: (place) => {
      if (waits[place]) return;
      waits[place] = 1;
      const sweep = turn - (turn % length);
      up(sweep + place > turn ? sweep + place : sweep + length + place);
    },
    next: () => {
      const [first] = heap, last = heap.pop();
      if (last === undefined) return undefined;
      if (heap.length > 0) down(last);
      turn = first;
      waits[turn % length] = 0;
      return turn % length;
    },
  };
}
