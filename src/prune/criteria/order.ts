/** A float's bits as a whole number that orders as the float does. */
function keysOf(scores: Float32Array | Float64Array): Uint32Array[] {
  const wide = scores.BYTES_PER_ELEMENT === 8, words = new Uint32Array(scores.buffer, scores.byteOffset, scores.length * (wide ? 2 : 1));
  const low = wide ? new Uint32Array(scores.length) : undefined, high = new Uint32Array(scores.length);
  for (let i = 0; i < scores.length; i++) {
    const top = words[wide ? 2 * i + 1 : i], negative = top >= 0x80000000;
    high[i] = negative ? ~top : top ^ 0x80000000;
    if (low) low[i] = negative ? ~words[2 * i] : words[2 * i];
  }
  return low ? [low, high] : [high];
}

const BITS = 11;

/**
 * Indices from the smallest score to the largest, among equals from the lowest index: a radix sort, linear in time. Memory: four words
 * of 32 bits a score. The scores hold no NaN.
 */
export function ascending(scores: Float32Array | Float64Array): Uint32Array {
  const n = scores.length, counts = new Uint32Array(1 << BITS), mask = counts.length - 1;
  let from = new Uint32Array(n), to = new Uint32Array(n);
  for (let i = 0; i < n; i++) from[i] = i;
  for (const keys of keysOf(scores)) {
    for (let shift = 0; shift < 32; shift += BITS) {
      counts.fill(0);
      for (let i = 0; i < n; i++) counts[(keys[i] >>> shift) & mask]++;
      // All alike in these bits: nothing to move.
      if (n === 0 || counts[(keys[0] >>> shift) & mask] === n) continue;
      for (let digit = 0, sum = 0; digit <= mask; digit++) [counts[digit], sum] = [sum, sum + counts[digit]];
      for (let i = 0; i < n; i++) to[counts[(keys[from[i]] >>> shift) & mask]++] = from[i];
      [from, to] = [to, from];
    }
  }
  return from;
}
