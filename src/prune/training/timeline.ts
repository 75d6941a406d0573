import { expect, fail, lookUp, show } from '../../expect.ts';
import { ROUNDING, schedules, type Curve, type CurveNumbers, type Schedule, type ScheduleName } from './schedules.ts';

/**
 * One number for all layers, or numbers by the names of layers or (for a `Pruner`) of their weights, where `*` stands for the layers that
 * are not named.
 */
export type PerLayer = number | Readonly<Record<string, number>>;

/** When masks are made anew. */
export const grids = {
  /** At begin + k · every, and at the end. */
  landing: (_last: number, end: number): number => end,
  /** As TF-MOT does, at begin + k · every only: a schedule whose end is off its grid stops short of s_f. */
  tfmot: (last: number): number => last,
} as const;

/** A row of the grids: when updates fall. */
export type GridName = keyof typeof grids;

/** A schedule as data. Times are in whatever unit the caller counts in: steps, epochs, rounds. */
export interface ScheduleSpec {
  /** A row of {@link schedules} … */
  readonly name?: ScheduleName | (string & {});
  /** … or a curve of your own. */
  readonly sparsity?: Curve;
  /** s_i. Default 0. */
  readonly initial?: PerLayer;
  /** s_f. Default what the curve ends at, for those that know. */
  readonly final?: PerLayer;
  /** Time of the first update. Default 0. */
  readonly begin?: number;
  /** Time of the last update. Default begin + rounds · every. */
  readonly end?: number;
  /** Δt, the time between updates. Default (end − begin) / rounds, or 1 where rounds are not given. */
  readonly every?: number;
  /** n, how many updates follow the first. */
  readonly rounds?: number;
  /** Of a lottery ticket: the fraction of what is left that goes in a round. */
  readonly rate?: PerLayer;
  /** Of dense-sparse-dense: the highest sparsity. */
  readonly peak?: PerLayer;
  /** Whether dropped weights may come back. Default as the row says. */
  readonly regrow?: boolean;
  /** Default landing. */
  readonly grid?: GridName;
}

/** A schedule by name, as a curve p → sparsity, or in full. */
export type ScheduleChoice = ScheduleName | (string & {}) | Curve | ScheduleSpec;

/** A schedule with nothing left open. */
export interface Timeline {
  /** For messages. */
  readonly where: string;
  readonly curve: Schedule;
  readonly spec: ScheduleSpec;
  readonly begin: number;
  readonly end: number;
  readonly every: number;
  readonly rounds: number;
  readonly regrow: boolean;
  readonly grid: GridName;
}

const layered = ['initial', 'final', 'rate', 'peak'] as const;
const isTable = (value: unknown): value is Readonly<Record<string, number>> => typeof value === 'object' && value !== null;

/** The numbers of a spec that are given by layer. */
export function tablesOf(spec: ScheduleSpec): Readonly<Record<string, number>>[] {
  return layered.map((field) => spec[field]).filter(isTable);
}

/** The spec with `change` done to each of these. */
export function mapTables(spec: ScheduleSpec, change: (table: Readonly<Record<string, number>>) => PerLayer): ScheduleSpec {
  const changed = layered.flatMap((field) => (isTable(spec[field]) ? [[field, change(spec[field])]] : []));
  return { ...spec, ...Object.fromEntries(changed) };
}

const fraction = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;

type Check = { readonly needs: string; readonly test: (value: unknown) => boolean };
const fractions: Check = {
  needs: 'a fraction 0 … 1, or fractions by layer name',
  test: (value) => fraction(value) || (isTable(value) && Object.values(value).every(fraction)),
};
const time: Check = { needs: 'a finite number', test: Number.isFinite };

/** What each field must be. A field that is not here is a misspelling. */
const checks: Readonly<Record<keyof ScheduleSpec, Check>> = {
  name: { needs: `one of ${Object.keys(schedules).join(', ')}`, test: (value) => Object.hasOwn(schedules, value as string) },
  sparsity: { needs: 'a function of progress', test: (value) => typeof value === 'function' },
  initial: fractions, final: fractions, rate: fractions, peak: fractions,
  begin: time, end: time,
  every: { needs: 'a number above 0', test: (value) => Number.isFinite(value) && (value as number) > 0 },
  rounds: { needs: 'a whole number of 1 or more', test: (value) => Number.isInteger(value) && (value as number) >= 1 },
  regrow: { needs: 'true or false', test: (value) => typeof value === 'boolean' },
  grid: { needs: `one of ${Object.keys(grids).join(', ')}`, test: (value) => Object.hasOwn(grids, value as string) },
};

/** A choice in its long form. Nothing is checked but that it is one. @throws BurinError `argument`. */
export function specOf(choice: ScheduleChoice): ScheduleSpec {
  if (typeof choice === 'string') return { name: choice };
  if (typeof choice === 'function') return { sparsity: choice };
  if (isTable(choice) && !Array.isArray(choice)) return choice;
  const needs = 'the name of a schedule, a function of progress, or an object as in { name: \'agp\', final: 0.9, end: 100 }';
  return fail({ kind: 'argument', where: 'option schedule', needs, got: show(choice) });
}

/** A row of the table, or one for a function of the caller's. */
export function curveOf({ name, sparsity }: ScheduleSpec, where: string): Schedule {
  expect((name === undefined) !== (sparsity === undefined), {
    kind: 'argument', where, needs: 'either name or sparsity, a function of progress', got: name === undefined ? 'none of them' : 'both',
  });
  if (name !== undefined) return lookUp<Schedule>(schedules, name, where);
  return { formula: 'its own', source: 'the caller', sparsity: sparsity!, needs: [], final: (numbers) => sparsity!(1, numbers) };
}

/**
 * The schedule with its defaults filled in.
 * @throws BurinError `argument` for fields that do not exist, do not fit or are missing, and for an end before the beginning.
 */
export function timelineOf(choice: ScheduleChoice): Timeline {
  const spec = specOf(choice);
  const where = `schedule ${spec.name ?? 'of your own'}`;
  for (const [field, value] of Object.entries(spec)) {
    const { needs, test } = lookUp<Check>(checks, field, where);
    expect(value === undefined || test(value), { kind: 'argument', where: `${where}, ${field}`, needs, got: show(value) });
  }
  const curve = curveOf(spec, where);
  const { begin = 0, grid = 'landing', regrow = curve.regrows ?? false } = spec;
  const given = spec.rounds ?? derivedRounds(curve, spec);
  for (const field of curve.needs) {
    const value = field === 'rounds' ? given : spec[field];
    expect(value !== undefined, { kind: 'argument', where, needs: field, got: 'nothing', remedy: `its formula is ${curve.formula}` });
  }
  const { end, every } = timing(curve, { ...spec, begin, rounds: given }, where);
  const rounds = given ?? Math.max(1, Math.ceil((end - begin) / every - ROUNDING));
  return { where, curve, spec, begin, end, every, rounds, regrow, grid };
}

function derivedRounds(curve: Schedule, spec: ScheduleSpec): number | undefined {
  if (!curve.rounds || tablesOf(spec).length > 0 || spec.final === undefined || spec.rate === undefined) return undefined;
  const { initial = 0, final, rate } = spec as { initial?: number; final: number; rate: number };
  const rounds = curve.rounds({ initial, final, rate, rounds: NaN, peak: NaN });
  return Number.isFinite(rounds) ? Math.max(1, rounds) : undefined;
}

function timing(curve: Schedule, spec: ScheduleSpec & { begin: number }, where: string): { end: number; every: number } {
  const { begin, rounds } = spec;
  const end = spec.end ?? (rounds !== undefined ? begin + rounds * (spec.every ?? 1) : curve.instant ? begin : undefined);
  expect(end !== undefined, { kind: 'argument', where, needs: 'end, or rounds', got: 'neither' });
  expect(end >= begin, { kind: 'argument', where, needs: `an end at ${begin}, its beginning, or later`, got: `${end}` });
  const even = rounds !== undefined && end > begin ? (end - begin) / rounds : 1;
  return { end, every: spec.every ?? even };
}

/** Time of the last update at or before t, or undefined where t lies before the first. */
export function dueAt(timeline: Timeline, t: number): number | undefined {
  if (t < timeline.begin) return undefined;
  return t >= timeline.end ? lastUpdate(timeline) : Math.min(gridPoint(timeline, t), lastUpdate(timeline));
}

/** Time of the first update after t, or undefined after the last. */
export function nextUpdate(timeline: Timeline, t: number): number | undefined {
  const { begin, every } = timeline;
  if (t < begin) return begin;
  const last = lastUpdate(timeline);
  return t < last ? Math.min(gridPoint(timeline, t) + every, last) : undefined;
}

/** The grid points are begin + k · every; the last of them at or before t. */
function gridPoint({ begin, every }: Timeline, t: number): number {
  return begin + Math.floor((t - begin) / every + ROUNDING) * every;
}

/** Time of the last update, which is the end unless the grid misses it. */
export function lastUpdate(timeline: Timeline): number {
  const { end, every, grid } = timeline;
  const last = gridPoint(timeline, end);
  return Math.abs(end - last) <= every * ROUNDING ? end : grids[grid](last, end);
}

/**
 * The sparsity that a schedule asks for at time t: `initial` before it begins, `final` from its end on, constant between updates.
 * By layer name where a number of the spec is; `layers` are then the names that `*` stands for.
 * @throws BurinError `argument` for a schedule that is none, and for a curve that leaves 0 … 1.
 */
export function sparsityAt(schedule: ScheduleChoice, t: number, layers: readonly string[] = []): number | Record<string, number> {
  return targetAt(timelineOf(schedule), t, layers);
}

/** {@link sparsityAt} of a schedule that is read already. */
export function targetAt(timeline: Timeline, t: number, layers: readonly string[] = []): number | Record<string, number> {
  const tables = tablesOf(timeline.spec);
  if (tables.length === 0) return valueAt(timeline, t);
  const named = tables.flatMap(Object.keys).filter((name) => name !== '*');
  const asked = [...new Set([...layers, ...named])].filter((name) => covers(timeline.spec, name));
  return Object.fromEntries(asked.map((name) => [name, valueAt(timeline, t, name)]));
}

/** Whether every number of the spec is given for the layer; `initial` need not be. */
export function covers(spec: ScheduleSpec, layer: string): boolean {
  return tablesOf(spec).every((table) => table === spec.initial || Object.hasOwn(table, layer) || Object.hasOwn(table, '*'));
}

function valueAt(timeline: Timeline, t: number, layer = '*'): number {
  const { begin, end, curve, where } = timeline;
  const numbers = numbersOf(timeline, layer);
  const due = dueAt(timeline, t);
  if (due === undefined) return numbers.initial;
  if (due >= end) return numbers.final;
  const p = (due - begin) / (end - begin);
  const value = curve.sparsity(p, numbers);
  expect(fraction(value), { kind: 'argument', where: `${where}, p = ${p}`, needs: 'a sparsity 0 … 1', got: show(value) });
  return value;
}

/** What the curve reads for one layer. */
export function numbersOf({ spec, curve, rounds, where }: Timeline, layer = '*'): CurveNumbers {
  const pick = (value: PerLayer | undefined): number => (isTable(value) ? value[Object.hasOwn(value, layer) ? layer : '*'] : value) ?? NaN;
  const numbers = { initial: pick(spec.initial) || 0, final: pick(spec.final), rounds, rate: pick(spec.rate), peak: pick(spec.peak) };
  if (!Number.isNaN(numbers.final)) return numbers;
  const final = curve.final?.({ ...numbers, final: 1 });
  expect(fraction(final), { kind: 'argument', where, needs: 'a final sparsity 0 … 1', got: show(final) });
  return { ...numbers, final: final! };
}
