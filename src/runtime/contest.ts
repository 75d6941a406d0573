import type { Optimized } from '../graph/passes/index.ts';
import { allocate, sizeOf, Tensor, type DType, type Shape } from '../tensor.ts';
import type { EnginePlan } from './engine.ts';

/** Timed runs of each rival, in turns; fewer where they take longer than this together. */
const MOST_ROUNDS = 7;
const MOST_MS = 1500;
/** A rival this much slower than the best is timed no more. */
const HOPELESS = 4;

/** A plan and how long its runs took. */
export interface Rival {
  readonly name: string;
  readonly plan: EnginePlan;
  /** Ms by round; a hole where it was left out. */
  times: number[];
}

/** The least, for what disturbs a run only makes it longer; infinite where it was not timed. */
export const bestOf = ({ times }: Pick<Rival, 'times'>): number => times.reduce((least, ms) => Math.min(least, ms), Infinity);

/** Inputs for a network of which nothing is known: waves where numbers may be anything, zeros where they may be indices. */
export function madeUp({ graph: { inputs } }: Optimized): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ name, type, dims }) => [name, tensorOf(type, dims as Shape)]));
}

function tensorOf(type: DType, dims: Shape): Tensor {
  const data = allocate(type, sizeOf(dims));
  if (data instanceof Float32Array || data instanceof Float64Array) for (let i = 0; i < data.length; i++) data[i] = Math.sin(0.37 * i);
  return new Tensor(type, data, dims);
}

/** Ms of one run, outputs read back. */
export async function once(plan: EnginePlan, feeds: Readonly<Record<string, Tensor>>, clock: () => number): Promise<number> {
  const start = clock(), outputs = await plan.run(feeds), ms = clock() - start;
  for (const output of Object.values(outputs)) if ('dispose' in output) output.dispose();
  return ms;
}

/** Times rivals in turns, so that a change of the machine's mood meets all of them; what they were timed before is forgotten. */
export async function takeTurns(
  rivals: readonly Rival[], feeds: Readonly<Record<string, Tensor>>, clock: () => number, mostMs = MOST_MS,
): Promise<void> {
  const start = clock(), most = Math.min(MOST_MS, mostMs);
  for (const rival of rivals) rival.times = [];
  for (let round = 0; round < MOST_ROUNDS && (round < 2 || clock() - start < most); round++) {
    const best = Math.min(...rivals.map(bestOf));
    for (const rival of rivals) {
      if (round === 0 || bestOf(rival) <= best * HOPELESS) rival.times[round] = await once(rival.plan, feeds, clock);
    }
  }
}

/** Less than this is no gain, even where it can be told from noise. */
const LEAST_GAIN = 0.02;

/** Whether one rival is faster than another by more than the noise: in three of four rounds, and by a share of its time in half of them. */
export function beats(one: Rival, other: Rival): boolean {
  const gains = one.times.flatMap((ms, round) => (other.times[round] === undefined ? [] : [other.times[round] - ms])).sort((a, b) => a - b);
  if (gains.length < 2) return false;
  const at = (share: number): number => gains[Math.floor((gains.length - 1) * share)];
  return at(0.25) > 0 && at(0.5) > LEAST_GAIN * bestOf(other) && bestOf(one) < bestOf(other);
}
