import { BurinError, lookUp } from '../../expect.ts';
import { allocations } from '../allocations.ts';
import { countings } from '../counting.ts';
import { criterionFrom } from '../criteria/ask.ts';
import { extentsOf } from '../granularities.ts';
import { reductions } from '../groups.ts';
import { checkOptions } from '../options.ts';
import { scopeRule } from '../scopes.ts';
import { aimOf, keepOfScope, scheduleOf, type LintWarning, type PrunerOptions } from './pruner-options.ts';
import { ROUNDING } from './schedules.ts';
import { lastUpdate, nextUpdate, numbersOf, specOf, tablesOf, targetAt, timelineOf, type ScheduleSpec, type Timeline } from './timeline.ts';

/** The options of a pruner, and how long the training is that it runs in. */
export interface LintSpec extends PrunerOptions {
  /** Length of the training in the schedule's unit of time: t runs from 0 up to it. */
  readonly steps?: number;
}

type Finding = Omit<LintWarning, 'code'>;

/** A rule that looks at the options and at their schedule, as they were written. */
type Rule = (options: LintSpec, spec: ScheduleSpec) => readonly Finding[];

/** A rule that looks at a schedule that can be run. */
type TimelineRule = (timeline: Timeline, options: LintSpec) => readonly Finding[];

/** Updates that are looked at, spread over the schedule, for those that have more. */
const MOST_UPDATES = 1000;

const named = ({ name }: ScheduleSpec): string => `schedule ${name ?? 'of your own'}`;
const percent = (value: number): string => `${+(value * 100).toFixed(2)} %`;

/** Every fraction that the options hold, with its place. */
function fractionsOf(options: LintSpec, spec: ScheduleSpec): [where: string, value: unknown][] {
  const places: [string, unknown][] = [
    ['option sparsity', options.sparsity],
    ...(['initial', 'final', 'rate', 'peak'] as const).map((field): [string, unknown] => [`${named(spec)}, ${field}`, spec[field]]),
  ];
  return places.flatMap(([where, value]) => (typeof value === 'object' && value !== null
    ? Object.entries(value).map(([layer, number]): [string, unknown] => [`${where}, ${layer}`, number])
    : [[where, value] as [string, unknown]]));
}

/** What a group spans; nothing of a granularity that does not exist, which is found elsewhere. */
function spansOf(granularity: NonNullable<LintSpec['granularity']>): readonly number[] {
  try {
    return extentsOf(granularity);
  } catch {
    return [1, 1];
  }
}

const rules: Readonly<Record<string, Rule>> = {
  percent: (options, spec) => fractionsOf(options, spec).flatMap(([where, value]) => (typeof value === 'number' && value > 1
    ? [{ where, what: `${value} is more than all weights`, remedy: `sparsity is a fraction: ${value / 100} drops ${value} %` }] : [])),

  'end-before-begin': (_, spec) => (spec.end !== undefined && spec.end < (spec.begin ?? 0)
    ? [{ where: `${named(spec)}, end`, what: `${spec.end} lies before the beginning, ${spec.begin ?? 0}`, remedy: 'exchange them' }] : []),

  'ambiguous-nm': ({ scope }) => {
    const nm = typeof scope === 'string' ? keepOfScope(scope) : undefined;
    if (!nm || nm.keep * 2 === nm.of) return [];
    const { keep, of } = nm;
    return [{
      where: 'option scope',
      what: `${keep}:${of} keeps ${keep} of ${of}, as NVIDIA counts; TF-MOT and Wanda count the zeros, ${of - keep}:${of}`,
      remedy: `write { keep: ${keep}, of: ${of} }, or { keep: ${of - keep}, of: ${of} } if zeros were meant`,
    }];
  },

  'one-group-a-row': ({ scope, granularity }) => {
    const [, ...rest] = scope === 'row' && granularity !== undefined ? spansOf(granularity) : [1, 1];
    return rest.every((extent) => extent === Infinity) ? [{
      where: 'option scope', what: `scope row ranks the groups of each filter, of which ${String(granularity)} makes one: all go, or none`,
      remedy: 'use scope layer, or a finer granularity',
    }] : [];
  },

  'sparsity-of-scope': (options, spec) => {
    const nm = keepOfScope(options.scope);
    if (!nm) return [];
    const fixed = 1 - nm.keep / nm.of, aim = aimOf(spec);
    const places: [string, unknown][] = [['option sparsity', options.sparsity], [`${named(spec)}, ${aim}`, spec[aim]]];
    return places.filter(([, value]) => value !== undefined && value !== fixed).map(([where]) => ({
      where, what: `scope ${nm.keep}:${nm.of} decides the sparsity, ${fixed}`, remedy: 'leave one of the two out',
    }));
  },

  'two-sparsities': ({ sparsity }, spec) => {
    const aim = aimOf(spec), own = spec[aim];
    if (sparsity === undefined || own === undefined || own === sparsity) return [];
    return [{ where: 'option sparsity', what: `the schedule has its own ${aim}, which is taken`, remedy: 'leave one of the two out' }];
  },

  'table-with-global': (options, spec) => {
    const { scope, allocation = 'uniform' } = options;
    const allocated = allocation === 'uniform' ? '' : `allocation ${typeof allocation === 'string' ? allocation : 'of your own'}`;
    const ranked = scope === 'model' ? 'scope model' : allocated;
    const tables = [...tablesOf(spec), ...(typeof options.sparsity === 'object' ? [options.sparsity] : [])];
    return ranked === '' || tables.length === 0 ? [] : [{
      where: typeof options.sparsity === 'object' ? 'option sparsity' : named(spec),
      what: `numbers by layer, but ${ranked} decides itself what each layer loses`,
      remedy: 'give one number, or use scope layer without an allocation',
    }];
  },
};

const timelineRules: Readonly<Record<string, TimelineRule>> = {
  'end-off-grid': (timeline) => {
    const last = lastUpdate(timeline), { end, where } = timeline;
    if (last >= end) return [];
    const reached = Object.values(byLayer(targetAt(timeline, end))).map(percent);
    return [{
      where: `${where}, grid tfmot`, what: `the last update is at ${last} and not at the end, ${end}: it stops at ${reached.join(', ')}`,
      remedy: 'take an end on the grid begin + k · every, or grid landing',
    }];
  },

  'run-too-short': ({ where, begin, end }, { steps }) => {
    if (steps === undefined || end < steps) return [];
    const past = begin >= steps ? `it begins at ${begin}` : end > steps ? `it ends at ${end}` : '';
    return [{
      where: `${where}, end`, what: `the training has ${steps} steps, ${past || `its last update, at ${end}, is not trained after`}`,
      remedy: `end it before ${steps}, or train longer`,
    }];
  },

  'falls-without-regrowth': (timeline) => (!timeline.regrow && falls(timeline) ? [{
    where: timeline.where, what: 'its sparsity falls, but what is pruned stays pruned',
    remedy: 'set regrow: true if weights are to come back',
  }] : []),

  'regrowth-without-fall': (timeline) => (timeline.regrow && !falls(timeline) ? [{
    where: `${timeline.where}, regrow`,
    what: 'its sparsity never falls; weights come back only in exchange for others, so masks do not nest',
    remedy: 'leave regrow out if what is pruned is to stay pruned',
  }] : []),

  'final-jump': (timeline) => layersOf(timeline).flatMap((layer) => {
    const numbers = numbersOf(timeline, layer), own = timeline.curve.sparsity(1, numbers);
    return Math.abs(own - numbers.final) < 1e-6 ? [] : [{
      where: `${timeline.where}, final`, remedy: 'change rounds, rate or final so that they agree',
      what: `its curve ends at ${percent(own)}${layer === '*' ? '' : ` in ${layer}`}, the last update jumps to ${percent(numbers.final)}`,
    }];
  }),

  'nothing-pruned': (timeline) => (updates(timeline).every((target) => Object.values(target).every((value) => value === 0))
    ? [{ where: timeline.where, what: 'its sparsity is never above 0', remedy: 'give it a final sparsity' }] : []),

  'all-pruned': (timeline) => (updates(timeline).some((target) => Object.values(target).some((value) => value === 1))
    ? [{ where: timeline.where, what: 'it drops all weights of a layer', remedy: 'sparsity is what is dropped, not what is kept' }] : []),

  'one-jump': (timeline) => (!timeline.curve.instant && timeline.end > timeline.begin && timeline.every > timeline.end - timeline.begin
    ? [{
      where: `${timeline.where}, every`, what: `${timeline.every} is longer than the schedule, which jumps from its start to its end`,
      remedy: 'take a shorter every, or the schedule one-shot',
    }] : []),

  'skipped-rounds': ({ curve, spec, begin, end, every, rounds, where }) => {
    const updates = (end - begin) / every - ROUNDING;
    return curve.needs.includes('rounds') && updates < rounds - 2 * ROUNDING ? [{
      where: `${where}, every`, what: `${rounds} rounds, but ${Math.ceil(updates)} updates: some are skipped`,
      remedy: spec.every === undefined ? 'end it later' : 'leave every out',
    }] : [];
  },

  ignored: ({ curve, spec, where }) => {
    const given = (['rate', 'peak'] as const).filter((field) => spec[field] !== undefined && !curve.needs.includes(field));
    return given.map((field) => ({ where: `${where}, ${field}`, what: 'its formula does not read it', remedy: `it is ${curve.formula}` }));
  },
};

function byLayer(target: number | Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return typeof target === 'number' ? { '*': target } : target;
}

/** The layers that have numbers of their own; `*` where there are none. */
function layersOf(timeline: Timeline): string[] {
  const names = [...new Set(tablesOf(timeline.spec).flatMap(Object.keys))];
  return names.length === 0 ? ['*'] : names;
}

/** What the schedule asks for at its updates, or at some of very many. */
function updates(timeline: Timeline): Readonly<Record<string, number>>[] {
  const { begin, end, every } = timeline;
  const stride = Math.ceil((end - begin) / every / MOST_UPDATES) * every;
  const out: Readonly<Record<string, number>>[] = [];
  for (let t: number | undefined = begin; t !== undefined; t = nextUpdate(timeline, Math.max(t, Math.min(t + stride, end) - every))) {
    out.push(byLayer(targetAt(timeline, t)));
  }
  return out;
}

function falls(timeline: Timeline): boolean {
  const list = updates(timeline);
  return list.some((target, i) => i > 0 && Object.keys(target).some((layer) => target[layer] < list[i - 1][layer] - 1e-12));
}

type Part = (options: LintSpec) => unknown;

/** What `prune` refuses whatever the network: each is tried, so that one mistake does not hide another. */
const parts: readonly Part[] = [
  ({ schedule: _, masks: __, onWarning: ___, steps: ____, ...options }) => checkOptions(options),
  ({ granularity }) => granularity !== undefined && extentsOf(granularity),
  ({ scope }) => scope !== undefined && scopeRule(scope),
  ({ criterion }) => criterion !== undefined && criterionFrom(criterion),
  ({ allocation }) => typeof allocation === 'string' && lookUp<unknown>(allocations, allocation, 'allocation'),
  ({ counting }) => typeof counting === 'string' && lookUp<unknown>(countings, counting, 'counting'),
  ({ reduction }) => typeof reduction === 'string' && lookUp<unknown>(reductions, reduction, 'reduction'),
];

function unusable(run: () => unknown): Finding | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
    const { where, needs, got, remedy } = error;
    return { where, what: `needs ${needs}, got ${got}`, remedy };
  }
}

/** Of several about one place the first. */
function unusableParts(options: LintSpec): Finding[] {
  const found = parts.map((part) => unusable(() => part(options))).filter((finding) => finding !== undefined);
  const place = ({ where }: Finding): string => where.replace(/^option /, '').split(/[ ,]/)[0];
  return found.filter((finding, i) => found.findIndex((other) => place(other) === place(finding)) === i);
}

/**
 * What is odd about a spec: schedules that never reach their end, regrowth without a schedule that regrows and the reverse, N:M that
 * others read the other way round, numbers that contradict each other. What cannot be run at all, such as an option or a granularity
 * that does not exist, is a warning too (code `unusable`), and no error. What depends on the network is for `Pruner` to refuse.
 */
export function lint(options: LintSpec): LintWarning[] {
  const code = (key: string) => (finding: Finding): LintWarning => ({ code: key, ...finding });
  const out: LintWarning[] = [];
  try {
    out.push(...(typeof options === 'object' && options !== null ? unusableParts(options).map(code('unusable')) : []));
    const spec = scheduleOf(options), written = specOf(options.schedule ?? 'one-shot');
    for (const [key, rule] of Object.entries(rules)) out.push(...rule(options, written).map(code(key)));
    const timeline = timelineOf(spec);
    for (const [key, rule] of Object.entries(timelineRules)) out.push(...rule(timeline, options).map(code(key)));
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
    const { where, needs, got, remedy } = error;
    const said = out.some((warning) => ['percent', 'end-before-begin'].includes(warning.code) || warning.where === where);
    if (!said) out.push({ code: 'unusable', where, what: `needs ${needs}, got ${got}`, remedy });
  }
  return out;
}
