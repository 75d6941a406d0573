import { fail, show } from '../../expect.ts';
import type { PruneOptions } from '../options.ts';
import type { KeepOf, Scope } from '../scopes.ts';
import { schedules, type Schedule } from './schedules.ts';
import { specOf, type ScheduleChoice, type ScheduleSpec } from './timeline.ts';
import type { Masks } from '../masks/masks.ts';

/** Something that can be run as it stands and is hardly what was meant. */
export interface LintWarning {
  /** Which rule, as a word a program can branch on. */
  readonly code: string;
  /** The place: `schedule agp, end`. */
  readonly where: string;
  readonly what: string;
  readonly remedy: string;
}

/** What to prune and how, as for `prune`, and when. */
export interface PrunerOptions extends PruneOptions {
  /** Default one-shot, at time 0. Option sparsity is its `peak` where it has one, else its `final`, unless it gives them itself. */
  readonly schedule?: ScheduleChoice;
  /** What an earlier run dropped: stays dropped, unless the schedule regrows. A zero that no mask drops is a weight like any other. */
  readonly masks?: Masks;
  /** Gets what the linter says, when the pruner is made. Default: nothing is said, `warnings` holds it. */
  readonly onWarning?: (warning: LintWarning) => void;
}

/** N:M as a record, for the scopes that are it. */
export function keepOfScope(scope: Scope | undefined): KeepOf | undefined {
  const match = typeof scope === 'string' ? /^(\d+):(\d+)$/.exec(scope) : null;
  if (match) return { keep: Number(match[1]), of: Number(match[2]) };
  return typeof scope === 'object' && scope !== null && 'keep' in scope && 'of' in scope ? scope : undefined;
}

/** Which number of the schedule is the sparsity that its user asks for. */
export function aimOf({ name }: ScheduleSpec): 'peak' | 'final' {
  const row: Schedule | undefined = Object.hasOwn(schedules, name ?? '') ? schedules[name as keyof typeof schedules] : undefined;
  return row?.needs.includes('peak') ? 'peak' : 'final';
}

/** The schedule with the sparsity that scope or option sparsity decide, where it has none of its own. @throws BurinError `argument`. */
export function scheduleOf(options: PrunerOptions): ScheduleSpec {
  if (typeof options !== 'object' || options === null) {
    return fail({ kind: 'argument', where: 'options', needs: "an object as in { sparsity: 0.9, schedule: 'agp' }", got: show(options) });
  }
  const { schedule = 'one-shot', sparsity, scope } = options;
  const spec = specOf(schedule);
  const aim = aimOf(spec);
  if (spec[aim] !== undefined) return spec;
  const nm = keepOfScope(scope);
  const asked = sparsity ?? (nm && 1 - nm.keep / nm.of);
  return asked === undefined ? spec : { ...spec, [aim]: asked };
}
