import type { Call, Phase, Work } from './backend.ts';

/** Bytes of a phase (number of parts, address of the first) and of a part (who took it, its list, calls in it): see assembly/threads.ts. */
export const PHASE_BYTES = 8;
export const PART_BYTES = 12;
/** Bytes of a call in a list: its kernel's place and its record. */
export const CALL_BYTES = 8;

/** Work as phases. */
export const phaseOf = (work: Work): Phase => ('kernel' in work ? [[work]] : work);

/** All calls in one list, in the order in which one thread runs them, and where each work begins; the last entry is the length. */
export function listOf(works: readonly Work[]): { calls: readonly Call[]; starts: readonly number[] } {
  const calls: Call[] = [], starts = [0];
  for (const work of works) {
    for (const part of phaseOf(work)) calls.push(...part);
    starts.push(calls.length);
  }
  return { calls, starts };
}

/** How many of the works before each are for several threads; the last entry counts all. */
export function sharedBefore(works: readonly Work[]): readonly number[] {
  const counts = [0];
  works.forEach((work, i) => counts.push(counts[i] + (phaseOf(work).length > 1 ? 1 : 0)));
  return counts;
}

/** The words of phases and parts whose list of calls lies at `list`; parts lie after the phases, at `phases`. */
export function phaseWords(works: readonly Work[], list: number, phases: number): Uint32Array {
  const shapes = works.map((work) => phaseOf(work).map((calls) => calls.length)), words: number[] = [];
  let part = phases + works.length * PHASE_BYTES, call = list;
  for (const shape of shapes) {
    words.push(shape.length, part);
    part += shape.length * PART_BYTES;
  }
  for (const count of shapes.flat()) {
    words.push(0, call, count);
    call += count * CALL_BYTES;
  }
  return Uint32Array.from(words);
}
