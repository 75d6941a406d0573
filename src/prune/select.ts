import type { Scores } from './criteria/criteria.ts';

/**
 * Marks (1) exactly the `k` smallest of all `lists` together; among equals the one with the lowest index, of the first
 * list, is marked first. Time is linear, extra memory one byte a score (and a copy if the lists mix f32 and f64).
 * The scores hold no NaN.
 */
export function smallest(lists: readonly Scores[], k: number): Uint8Array[] {
  const marks = lists.map((list) => new Uint8Array(list.length));
  const total = lists.reduce((sum, list) => sum + list.length, 0);
  if (k <= 0) return marks;
  if (k >= total) return marks.map((mark) => mark.fill(1));
  const threshold = kthSmallest(lists, k - 1);
  let ties = k - lists.reduce((sum, list) => sum + countBelow(list, threshold), 0);
  lists.forEach((list, l) => {
    for (let i = 0; i < list.length; i++) {
      if (list[i] < threshold || (list[i] === threshold && ties-- > 0)) marks[l][i] = 1;
    }
  });
  return marks;
}

function sameWidth(lists: readonly Scores[]): readonly Scores[] {
  const same = lists.every((list) => list.BYTES_PER_ELEMENT === lists[0].BYTES_PER_ELEMENT);
  return same ? lists : lists.map((list) => Float64Array.from(list));
}

function countBelow(list: Scores, threshold: number): number {
  let count = 0;
  for (let i = 0; i < list.length; i++) if (list[i] < threshold) count++;
  return count;
}

/** How many of `marks` are 1. */
export function countOnes(marks: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < marks.length; i++) count += marks[i];
  return count;
}

/** Fewer are sorted: the counts of a radix selection would take longer. */
const FEW = 1 << 14;

/** The score that `rank` others come before, from 0, of all `lists` together. */
export function kthSmallest(lists: readonly Scores[], rank: number): number {
  const total = lists.reduce((sum, list) => sum + list.length, 0);
  if (total > FEW) return selected(sameWidth(lists), rank);
  const all = new Float64Array(total);
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all.sort()[rank];
}

/**
 * Radix selection, 16 bits a pass from the highest: the bits of an IEEE float order like the float when the sign bit of
 * the positive ones and all bits of the negative ones are flipped. Nothing is moved or copied.
 */
function selected(lists: readonly Scores[], rank: number): number {
  const width = lists[0].BYTES_PER_ELEMENT / 2;
  const views = lists.map((list) => new Uint16Array(list.buffer, list.byteOffset, list.length * width));
  const prefix: number[] = [];
  while (prefix.length < width) {
    const histogram = new Uint32Array(1 << 16);
    for (const view of views) countDigits(view, width, prefix, histogram);
    let digit = 0;
    while (rank >= histogram[digit]) rank -= histogram[digit++];
    prefix.push(digit);
  }
  return fromDigits(prefix);
}

/** What to flip in word `d` (0 is the highest) of a float so that its words order as it does. */
function flipOf(negative: boolean, d: number): number {
  if (negative) return 0xffff;
  return d === 0 ? 0x8000 : 0;
}

/** Counts digit number `prefix.length` of the scores whose higher digits are `prefix`. The words lie lowest first. */
function countDigits(view: Uint16Array, width: number, prefix: readonly number[], histogram: Uint32Array): void {
  const depth = prefix.length;
  for (let top = width - 1; top < view.length; top += width) {
    const negative = view[top] >= 0x8000;
    let d = 0;
    while (d < depth && (view[top - d] ^ flipOf(negative, d)) === prefix[d]) d++;
    if (d === depth) histogram[view[top - d] ^ flipOf(negative, d)]++;
  }
}

function fromDigits(digits: readonly number[]): number {
  const negative = digits[0] < 0x8000;
  const words = digits.map((digit, d) => digit ^ flipOf(negative, d));
  const bits = Uint16Array.from(words.reverse()).buffer;
  return digits.length === 2 ? new Float32Array(bits)[0] : new Float64Array(bits)[0];
}
