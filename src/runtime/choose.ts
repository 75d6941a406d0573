import { phaseOf, type Backend, type Call, type Program, type Work } from '../backends/index.ts';
import { workOf, type Effort } from './cost.ts';
import type { Choice } from './lower/weight.ts';
import { lead, race, type Course } from './race.ts';
import { choiceKey, tuneKey, type Candidate, type Case, type TuneMemory, type TuneMode } from './tune.ts';

/**
 * How a layer's kernel was decided: by timing the promising candidates now, by what an earlier plan timed, by the cost model because
 * `tune` says so, or by the cost model because the time for measuring was used up.
 */
export type Decision = 'timed' | 'remembered' | 'predicted' | 'out of time';

export interface Chosen {
  readonly choice: Choice;
  /** Fastest first. */
  readonly candidates: readonly Candidate[];
  /** Absent where there was nothing to choose. */
  readonly decided?: Decision;
}

/** What the chooser needs of a layer and of the plan. */
export interface Choosing {
  readonly backend: Backend;
  readonly of: Case;
  readonly choices: readonly Choice[];
  /** Columns of the product. */
  readonly cols: number;
  readonly works: (choice: Choice) => readonly Work[];
  readonly tune: TuneMode;
  readonly memory: TuneMemory;
  readonly clock: () => number;
  /** Milliseconds of measuring that are left. */
  readonly leftMs: number;
}

/** A sparse candidate that is not faster than dense by this much for certain loses: timings of equals scatter. */
const MARGIN = 0.01;
/** The same for a candidate that nobody timed. */
const PREDICTED_MARGIN = 0.05;
/** Candidates timed at first, and at most; those that come later must promise to be this much faster than the best. */
const FIRST = 4;
const MOST = 10;
const WORTHWHILE = 0.97;
/** A heat tells the hopeless from the others, the final decides. */
const HEAT = { repeats: 2, rounds: 4 };
const FINAL = { repeats: 3, rounds: 16 };
/** Engines run new code in a slow tier at first: a kernel is warm after this long, once runs no longer get faster; or after the most. */
const WARM_MS = 12;
const MOST_WARM_MS = 60;
const FASTER = 0.97;

interface Entry {
  readonly choice: Choice;
  readonly work: Effort;
  readonly predictedMs: number;
  /** How far the prediction may be off, as a factor. */
  readonly doubt: number;
  course?: Course;
}

const isDense = ({ choice }: Entry): boolean => choice.format === 'dense';
const least = <T>(list: readonly T[], value: (item: T) => number): T => list.reduce((a, b) => (value(b) < value(a) ? b : a));

/** Decides how a layer is stored and run. Dense wins unless a sparse candidate is faster by more than the noise. */
export function choose(choosing: Choosing): Chosen {
  const { of, choices, cols, memory, tune, leftMs } = choosing;
  if (choices.length === 1) return { choice: choices[0], candidates: [candidateOf(choices[0], 0)] };
  const entries = choices.map((choice): Entry => {
    const work = workOf(choice, { ...of, cols }), { ms, scatter } = memory.predict(of.device, choice.kernel, work);
    return { choice, work, predictedMs: ms, doubt: Math.exp(2 * scatter) };
  });
  const remembered = memory.get(choiceKey(of, choices)) !== undefined && recall(choosing, entries);
  if (remembered) return remembered;
  if (tune === 'predict') return trust(entries, 'predicted');
  if (leftMs <= 0) return trust(entries, 'out of time');
  return measured(choosing, entries);
}

function candidateOf({ format, kernel }: Choice, ms: number, predicted = false): Candidate {
  return { format, kernel: kernel.name, ms, ...(predicted && { predicted }) };
}

const byTime = (candidates: Candidate[]): Candidate[] => candidates.sort((a, b) => a.ms - b.ms);

/** The one to take, given what each takes: dense unless another is faster by `margin`. */
function fastest<T extends Entry>(entries: readonly T[], msOf: (entry: T) => number, margin: number): T {
  const best = least(entries, msOf), dense = entries.filter(isDense);
  if (!dense.length || isDense(best)) return best;
  const baseline = least(dense, msOf);
  return msOf(best) < msOf(baseline) * (1 - margin) ? best : baseline;
}

/** The choice of an earlier plan, or undefined where the table does not hold its times (any more). */
function recall({ of, memory }: Choosing, entries: readonly Entry[]): Chosen | undefined {
  const times = new Map(entries.flatMap((entry) => {
    const ms = memory.get(tuneKey(of, entry.choice));
    return ms === undefined ? [] : [[entry, ms] as const];
  }));
  if (!times.size) return undefined;
  const { choice } = fastest([...times.keys()], (entry) => times.get(entry)!, 0);
  return { choice, candidates: listed(entries, (entry) => times.get(entry)), decided: 'remembered' };
}

/** The choice of the cost model. */
function trust(entries: readonly Entry[], decided: Decision): Chosen {
  const { choice } = fastest(entries, ({ predictedMs }) => predictedMs, PREDICTED_MARGIN);
  return { choice, candidates: listed(entries, () => undefined), decided };
}

/** All candidates, the ones that were not timed by the cost model, corrected by what it was off for the others here. */
function listed(entries: readonly Entry[], timedMs: (entry: Entry) => number | undefined): Candidate[] {
  const scale = correction(entries, timedMs);
  return byTime(entries.map((entry) => {
    const ms = timedMs(entry);
    return candidateOf(entry.choice, ms ?? entry.predictedMs * scale, ms === undefined);
  }));
}

/** Geometric mean of measured over predicted time. */
function correction(entries: readonly Entry[], timedMs: (entry: Entry) => number | undefined): number {
  const errors = entries.flatMap((entry) => {
    const ms = timedMs(entry);
    return ms !== undefined && ms > 0 && entry.predictedMs > 0 ? [Math.log(ms / entry.predictedMs)] : [];
  });
  return errors.length ? Math.exp(errors.reduce((sum, error) => sum + error, 0) / errors.length) : 1;
}

const courseMs = ({ course }: Entry): number => course?.ms ?? Infinity;

/** Times the most promising, then whoever could still beat the best of them, then the best ones for certain. */
function measured(choosing: Choosing, entries: readonly Entry[]): Chosen {
  const { memory, of, clock, leftMs } = choosing, start = clock(), hasTime = (): boolean => clock() - start < leftMs;
  const programs = new Map<Entry, Program>();
  const run = (list: readonly Entry[], length: typeof HEAT): void => {
    const dense = bestDense(list);
    const runners = list.map((entry) => ({ run: () => programs.get(entry)!.run(), stays: entry === dense }));
    join(entries, list, race(runners, { clock, hasTime, ...length }));
  };
  try {
    for (let wave = firstWave(entries); wave.length && (hasTime() || !programs.size); wave = nextWave(entries)) {
      prepare(choosing, programs, wave);
      run([...reference(entries), ...wave], HEAT);
    }
    const final = finalists(entries);
    if (final.length > 1 && hasTime()) run(final, FINAL);
    const winner = decide(final);
    for (const { choice, work, course } of entries) if (course) memory.learn(of.device, choice.kernel, work, course.ms);
    return noted(choosing, entries, winner);
  } finally {
    for (const program of programs.values()) program.dispose();
  }
}

/** The fastest so far: it runs along in every race, because the machine may be in another mood by then. */
function reference(entries: readonly Entry[]): Entry[] {
  const timed = entries.filter(({ course }) => course);
  return timed.length ? [least(timed, courseMs)] : [];
}

const scaled = ({ times, ms }: Course, factor: number): Course => ({ times: times.map((time) => time * factor), ms: ms * factor });

/** Takes the courses of a race over; times of the slower of two races are scaled to those of the faster, by who ran in both. */
function join(entries: readonly Entry[], list: readonly Entry[], courses: readonly Course[]): void {
  const [known] = reference(list), at = list.indexOf(known), before = known ? courseMs(known) : 1, now = known ? courses[at].ms : 1;
  if (now < before) for (const entry of entries) if (entry.course) entry.course = scaled(entry.course, now / before);
  list.forEach((entry, i) => { entry.course = now > before ? scaled(courses[i], before / now) : courses[i]; });
}

/** The dense candidate that the others of a list are compared with. */
function bestDense(list: readonly Entry[]): Entry | undefined {
  const dense = list.filter(isDense);
  return dense.length ? least(dense, (entry) => entry.course?.ms ?? entry.predictedMs) : undefined;
}

const hope = ({ predictedMs, doubt }: Entry): number => predictedMs / doubt;

/** The best dense candidate and the most promising others. */
function firstWave(entries: readonly Entry[]): Entry[] {
  const dense = bestDense(entries), others = entries.filter((entry) => entry !== dense).sort((a, b) => hope(a) - hope(b));
  const limit = least(entries, ({ predictedMs, doubt }) => predictedMs * doubt);
  const promising = others.filter((entry) => hope(entry) < limit.predictedMs * limit.doubt);
  return [...(dense ? [dense] : []), ...promising.slice(0, FIRST - (dense ? 1 : 0))];
}

/** Candidates that could still beat the best by something worth having. */
function nextWave(entries: readonly Entry[]): Entry[] {
  const timed = entries.filter(({ course }) => course), best = Math.min(...timed.map(courseMs));
  const scale = correction(entries, ({ course }) => course?.ms);
  return entries.filter((entry) => !entry.course && hope(entry) * scale < best * WORTHWHILE)
    .sort((a, b) => hope(a) - hope(b)).slice(0, Math.min(FIRST, MOST - timed.length));
}

/** A heat tells them apart by no more than this. */
const HEAT_NOISE = 1.15;

function finalists(entries: readonly Entry[]): Entry[] {
  const timed = entries.filter(({ course }) => course), dense = bestDense(timed), best = Math.min(...timed.map(courseMs));
  return timed.filter((entry) => entry === dense || courseMs(entry) <= best * HEAT_NOISE);
}

/** The fastest of the finalists, if it beats dense for certain. */
function decide(final: readonly Entry[]): Entry {
  const best = least(final, courseMs), dense = bestDense(final);
  return dense && !isDense(best) && lead(best.course!, dense.course!) < MARGIN ? dense : best;
}

/** Remembers what was found, so that it is found again: who did not beat dense for certain is not faster. */
function noted({ memory, of, choices }: Choosing, entries: readonly Entry[], winner: Entry): Chosen {
  const msOf = (entry: Entry): number | undefined => entry.course && Math.max(entry.course.ms, isDense(winner) ? courseMs(winner) : 0);
  for (const entry of entries) {
    const ms = msOf(entry);
    if (ms !== undefined) memory.set(tuneKey(of, entry.choice), ms);
  }
  memory.set(choiceKey(of, choices), courseMs(winner));
  return { choice: winner.choice, candidates: listed(entries, msOf), decided: 'timed' };
}

/** Programs of a wave, their kernels run until they are fast. */
function prepare({ backend, works, memory, clock }: Choosing, programs: Map<Entry, Program>, wave: readonly Entry[]): void {
  // Asking for calls may move the scratch memory they share: only when nobody asks for more are all addresses final.
  for (const { choice } of wave) works(choice);
  for (const entry of [...programs.keys(), ...wave]) {
    programs.get(entry)?.dispose();
    programs.set(entry, backend.program(works(entry.choice)));
  }
  for (const entry of wave) {
    const calls = works(entry.choice).flatMap((work) => phaseOf(work).flat());
    const names = calls.map(({ kernel, job }) => `${backend.simd}|${kernelName(kernel, job)}`);
    if (names.map((name) => memory.warm(name)).every(Boolean)) continue;
    warmUp(programs.get(entry)!, clock);
  }
}

function warmUp(program: Program, clock: () => number): void {
  const start = clock();
  for (let before = Infinity, spent = 0; spent < MOST_WARM_MS;) {
    program.run();
    const now = clock() - start, ms = now - spent;
    if (now >= WARM_MS && ms >= before * FASTER) return;
    before = Math.min(before, ms);
    spent = now;
  }
}

/** The kernel that does the work inside a product. */
function kernelName(kernel: string, job: Call['job']): string {
  const inner = job.spmm;
  return typeof inner === 'object' && 'kernel' in inner ? inner.kernel : kernel;
}
