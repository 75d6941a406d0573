import { expect, fail } from '../expect.ts';

/** Start of every block, and the room after its end. */
const ALIGNMENT = 64;
const SLACK = 64;

/** Hands out address ranges, first fit, and joins what is given back. `grow(end)` makes addresses below `end` usable. */
export class Heap {
  #free: { start: number; end: number }[] = [];
  #used = new Map<number, number>();
  #end: number;
  readonly #grow: (end: number) => boolean;

  constructor(start: number, grow: (end: number) => boolean) {
    this.#end = roundUp(start, ALIGNMENT);
    this.#grow = grow;
  }

  get usedBytes(): number {
    let sum = 0;
    for (const size of this.#used.values()) sum += size;
    return sum;
  }

  /** The start of `bytes` bytes plus slack. @throws BurinError `limit`. */
  alloc(bytes: number): number {
    const size = roundUp(bytes + SLACK, ALIGNMENT);
    const hole = this.#free.findIndex(({ start, end }) => end - start >= size);
    const start = hole >= 0 ? this.#free[hole].start : this.#extend(size);
    if (hole >= 0) {
      this.#free[hole].start += size;
      if (this.#free[hole].start === this.#free[hole].end) this.#free.splice(hole, 1);
    }
    this.#used.set(start, size);
    return start;
  }

  free(start: number): void {
    const size = this.#used.get(start);
    expect(size !== undefined, { kind: 'state', where: 'free', needs: 'an address that was allocated', got: String(start) });
    this.#used.delete(start);
    const at = this.#free.findIndex((hole) => hole.start > start);
    this.#free.splice(at < 0 ? this.#free.length : at, 0, { start, end: start + size });
    this.#join();
  }

  size(start: number): number {
    return this.#used.get(start) ?? fail({ kind: 'state', where: 'size', needs: 'an address that was allocated', got: String(start) });
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const start = last && last.end === this.#end ? last.start : this.#end;
    if (!this.#grow(start + size)) {
      fail({
        kind: 'limit', where: 'memory', needs: `${size} more bytes`,
        got: `${this.#end} bytes in use and no more to be had`,
        remedy: 'use a smaller input or a smaller network',
      });
    }
    if (start !== this.#end) this.#free.pop();
    this.#end = start + size;
    return start;
  }

  #join(): void {
    const joined: { start: number; end: number }[] = [];
    for (const hole of this.#free) {
      const last = joined.at(-1);
      if (last && last.end === hole.start) last.end = hole.end;
      else joined.push({ ...hole });
    }
    this.#free = joined;
  }
}

export function roundUp(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}
