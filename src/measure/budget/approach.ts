/** A network that was made for some budget of the model, and what it took. */
export interface Attempt<T> {
  /** What the model was allowed. */
  readonly modelMs: number;
  readonly made: T;
  readonly measuredMs: number;
  /** Whether it was timed with care. */
  readonly sure: boolean;
}

export interface Approach<T> {
  /** What the measured time should be, and how far below it (a fraction) it may stay. */
  readonly targetMs: () => number;
  readonly tolerance: number;
  /** Measured over predicted time so far. */
  readonly correction: number;
  /** What the model makes of a budget, and a key that tells two results apart. */
  readonly plan: (modelMs: number) => { readonly key: string; readonly make: () => T };
  readonly time: (made: T) => Promise<number>;
  /** Times with more care what may be right. */
  readonly confirm: (made: T) => Promise<number>;
  /** What the model says of it, with all that is known by now. */
  readonly predict: (made: T) => number;
  /** Whether nothing the model knows is as fast, by this correction. */
  readonly isHopeless?: (correction: number) => boolean;
  readonly onRound?: (round: number, rounds: number) => void;
}

const ROUNDS = 6;
/** Weight of what the latest round was off against those before: one round may have met the machine in a mood, or its mood has changed. */
const LATEST = 0.6;

/**
 * Makes networks until one takes the time that was asked for: each round corrects what the model is allowed by what those before were off.
 * Stops when one lands within the tolerance below the target, when a correction changes nothing any more, when there is no hope after
 * two rounds, or after six.
 */
export async function approach<T>(way: Approach<T>): Promise<Attempt<T>[]> {
  const { targetMs, tolerance, plan, time, confirm, predict, isHopeless, onRound } = way;
  const attempts: Attempt<T>[] = [], keys = new Set<string>();
  const fits = (ms: number): boolean => ms <= targetMs() && ms >= targetMs() * (1 - tolerance);
  // A rough measurement may be off by as much again either way.
  const mayFit = (ms: number): boolean => ms <= targetMs() * (1 + tolerance) && ms >= targetMs() * (1 - 2 * tolerance);
  for (let round = 0, { correction } = way; round < ROUNDS; round++) {
    // The middle of what is accepted is aimed at.
    const modelMs = (targetMs() * (1 - tolerance / 2)) / correction, { key, make } = plan(modelMs);
    if (keys.has(key)) break;
    keys.add(key);
    onRound?.(round, ROUNDS);
    const made = make();
    let measuredMs = await time(made), sure = false;
    if (mayFit(measuredMs)) [measuredMs, sure] = [await confirm(made), true];
    attempts.push({ modelMs, made, measuredMs, sure });
    if (sure && fits(measuredMs)) break;
    const off = measuredMs / predict(made);
    correction = round === 0 ? off : off ** LATEST * correction ** (1 - LATEST);
    if (round > 0 && isHopeless?.(correction)) break;
  }
  return attempts;
}

/** Being over the budget is as bad as being under it by this much more. */
const OVER = 3;

/** The attempt that comes nearest to the target, rather below than above it. */
export function nearest<T>(attempts: readonly Attempt<T>[], targetMs: number, tolerance: number): Attempt<T> {
  const off = ({ measuredMs }: Attempt<T>): number => {
    const way = measuredMs / targetMs - (1 - tolerance / 2);
    return measuredMs > targetMs ? way * OVER : Math.abs(way);
  };
  return attempts.reduce((best, one) => (off(one) < off(best) ? one : best));
}
