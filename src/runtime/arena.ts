import { roundUp } from '../backends/memory.ts';

/** A value that lives from the step that makes it to the last that reads it. */
export interface Lifetime {
  readonly name: string;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Room after each value for kernels that write whole vectors. */
const SLACK = 64;

/**
 * Places values that do not live at the same time over each other: the largest first, each at the lowest offset where it
 * meets none that overlaps it in time.
 */
export function placeValues(values: readonly Lifetime[]): { offsets: Map<string, number>; bytes: number } {
  const placed: (Lifetime & { from: number; to: number })[] = [], offsets = new Map<string, number>();
  let bytes = 0;
  for (const value of [...values].sort((a, b) => b.bytes - a.bytes)) {
    const size = roundUp(value.bytes + SLACK, 64);
    const neighbours = placed.filter((other) => other.first <= value.last && value.first <= other.last).sort((a, b) => a.from - b.from);
    let from = 0;
    for (const other of neighbours) {
      if (other.from >= from + size) break;
      from = Math.max(from, other.to);
    }
    placed.push({ ...value, from, to: from + size });
    offsets.set(value.name, from);
    bytes = Math.max(bytes, from + size);
  }
  return { offsets, bytes };
}
