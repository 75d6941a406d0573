import type { Lifetime } from '../arena.ts';

/**
 * Buffers for values, shared by those that never live at the same time: WebGPU lets no dispatch write a buffer it also reads, whatever
 * the part of it, so that values that meet lie in buffers of their own.
 * @returns the size of every buffer, and which one each value has
 */
export function shareBuffers(values: readonly Lifetime[]): { sizes: number[]; buffers: Map<string, number> } {
  const sizes: number[] = [], free: number[] = [], buffers = new Map<string, number>(), living: { last: number; buffer: number }[] = [];
  for (const { name, bytes, first, last } of [...values].sort((a, b) => a.first - b.first || b.bytes - a.bytes)) {
    for (let i = living.length - 1; i >= 0; i--) if (living[i].last < first) free.push(living.splice(i, 1)[0].buffer);
    const buffer = take(free, sizes, bytes) ?? sizes.push(0) - 1;
    sizes[buffer] = Math.max(sizes[buffer], bytes);
    buffers.set(name, buffer);
    living.push({ last, buffer });
  }
  return { sizes, buffers };
}

/** The smallest free buffer that is large enough, else the largest one there is, which then grows. */
function take(free: number[], sizes: readonly number[], bytes: number): number | undefined {
  if (free.length === 0) return undefined;
  const better = (a: number, b: number): boolean => {
    const [fitsA, fitsB] = [sizes[a] >= bytes, sizes[b] >= bytes];
    if (fitsA !== fitsB) return fitsA;
    return fitsA ? sizes[a] < sizes[b] : sizes[a] > sizes[b];
  };
  const best = free.reduce((now, buffer) => (better(buffer, now) ? buffer : now));
  free.splice(free.indexOf(best), 1);
  return best;
}
