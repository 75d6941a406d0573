import { expect, lookUp, show } from '../../expect.ts';
import { criterionFrom, type PruneOptions } from '../../prune/index.ts';
import type { SessionOptions } from '../../runtime/session.ts';
import type { TensorLike } from '../../tensor.ts';
import type { Progress } from '../compare.ts';
import type { CostTable } from './costs.ts';
import { averages, type AverageName } from './shares.ts';
import { structureOf, type Pruning, type Structure } from './structures.ts';

/** Options of `prune` that are decided here. */
const decided = {
  granularity: 'give the list granularities', scope: 'layers are pruned one by one; give N:M among the granularities',
  sparsity: 'the budget decides it', allocation: 'the budget decides it', counting: 'groups are counted exactly',
};

/** What `pruneToBudget` hands on to `prune`: criterion, layers, exclude, reduction, seed and whatever criteria need. */
type Handed = Omit<PruneOptions, keyof typeof decided | 'strict' | 'floor'>;
type Device = Pick<SessionOptions, 'executionProviders' | 'formats' | 'threads' | 'shapes' | 'tune' | 'tuning'>;

/** Options of `pruneToBudget`: times are milliseconds, speedups are over the network with dense kernels, the rest are fractions 0 … 1. */
export interface BudgetOptions extends Handed, Device {
  /** Milliseconds the network may take on this device, or… */
  readonly budgetMs?: number;
  /** … how many times as fast as with dense kernels it is to be. One of the two is needed. */
  readonly speedup?: number;
  /**
   * What a layer may lose its weights in, chosen layer by layer: granularities by name, and N:M. Default weight, block_rows(4), block(4,4)
   * and 2:4. The criterion is w² where none is named.
   */
  readonly granularities?: readonly string[];
  /** How the shares of their scores that layers keep become the score kept, which is made as high as possible. Default geometric. */
  readonly average?: AverageName;
  /** Least fraction of a layer's groups that stays. Default 0.05. */
  readonly floor?: number;
  /** How far below the budget the measured time may stay, as a fraction. Default 0.03. */
  readonly tolerance?: number;
  /**
   * Most milliseconds to spend on the cost table; checking what comes out takes seconds more, up to a minute where times scatter. Default
   * 120000.
   */
  readonly limitMs?: number;
  /**
   * What an earlier run measured, perhaps elsewhere: nothing is measured here then, and the result is meant for the device that the table
   * is from.
   */
  readonly costs?: CostTable;
  /** Whether the result is measured here, and corrected until it takes the time asked for. Default true, false where `costs` are given. */
  readonly verify?: boolean;
  /** Whether to find the uniform sparsity, in each granularity, that takes the same measured time, and what it keeps. Default false. */
  readonly compareUniform?: boolean;
  /** Throw where the budget cannot be met (default), or return the fastest there is and say so in the report. */
  readonly strict?: boolean;
  /** Inputs to measure with; sin(0.37·i) when absent. */
  readonly feeds?: Readonly<Record<string, TensorLike>>;
  readonly onProgress?: (progress: Progress) => void;
}

/** What layers may lose their weights in where the caller names nothing: the shapes that formats here run fast. */
export const usualGranularities: readonly string[] = ['weight', 'block_rows(4)', 'block(4,4)', '2:4'];

type Decided = 'average' | 'floor' | 'tolerance' | 'limitMs' | 'verify' | 'compareUniform' | 'strict';

/** Options with everything in place. */
export interface Settings extends Required<Pick<BudgetOptions, Decided>> {
  readonly asked: { readonly budgetMs: number } | { readonly speedup: number };
  readonly structures: readonly Structure[];
  readonly pruning: Pruning;
  readonly device: Device;
  readonly costs?: CostTable;
  readonly feeds?: BudgetOptions['feeds'];
  readonly onProgress?: BudgetOptions['onProgress'];
}

interface Rule { readonly needs: string; readonly test: (value: unknown) => boolean }

const isFlag: Rule = { needs: 'true or false', test: (value) => typeof value === 'boolean' };
const isAbove = (least: number, needs: string): Rule => ({ needs, test: (value) => Number.isFinite(value) && (value as number) > least });
const isFraction = (needs: string): Rule => ({ needs, test: (value) => typeof value === 'number' && value > 0 && value < 1 });
const anything: Rule = { needs: '', test: () => true };

/** What each option must be; what is not here is for `prune`, which knows its own. */
const rules = {
  budgetMs: isAbove(0, 'milliseconds above 0'), speedup: isAbove(0, 'a number above 0'),
  granularities: {
    needs: 'names of granularities, or N:M',
    test: (value) => Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string'),
  },
  costs: { needs: 'a table as pruneToBudget returns it', test: (value) => typeof value === 'object' && value !== null },
  // One device: what is faster elsewhere at one density says nothing of the others.
  executionProviders: {
    needs: 'names of providers, without auto', test: (value) => Array.isArray(value) && value.length > 0 && !value.includes('auto'),
  },
  average: anything, shapes: anything, formats: anything, threads: anything, tune: anything,
  tuning: anything, feeds: anything, onProgress: anything,
  floor: isFraction('a density above 0 and below 1'), tolerance: isFraction('a fraction above 0 and below 1'),
  limitMs: isAbove(-1, 'milliseconds'), verify: isFlag, compareUniform: isFlag, strict: isFlag,
} satisfies Record<Exclude<keyof BudgetOptions, keyof Handed>, Rule>;

const deviceKeys = ['executionProviders', 'formats', 'threads', 'shapes', 'tune', 'tuning'] as const;

/** @throws BurinError `argument` for values options cannot have; names that `prune` does not know either are for it to refuse */
export function settingsOf(options: BudgetOptions): Settings {
  expect(typeof options === 'object' && options !== null, {
    kind: 'argument', where: 'budget options', needs: 'an object as in { speedup: 2 }', got: show(options),
  });
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const own = given.filter(([name]) => Object.hasOwn(rules, name)), handed = given.filter(([name]) => !Object.hasOwn(rules, name));
  for (const [name] of handed) {
    expect(!Object.hasOwn(decided, name), {
      kind: 'argument', where: 'budget options', needs: `no ${name}`, got: 'one', remedy: decided[name as keyof typeof decided],
    });
  }
  for (const [name, value] of own) {
    const { needs, test } = lookUp<Rule>(rules, name, 'budget options');
    expect(test(value), { kind: 'argument', where: `option ${name}`, needs, got: show(value) });
  }
  const { average = 'geometric', floor = 0.05, tolerance = 0.03, limitMs = 120_000, costs, feeds, onProgress } = options;
  lookUp(averages, average, 'option average');
  const device = Object.fromEntries(own.filter(([name]) => (deviceKeys as readonly string[]).includes(name)));
  return {
    asked: askedOf(options), average, floor, tolerance, limitMs, device, costs, feeds, onProgress,
    verify: options.verify ?? costs === undefined, compareUniform: options.compareUniform ?? false, strict: options.strict ?? true,
    structures: [...new Set(options.granularities ?? usualGranularities)].map(structureOf),
    pruning: { ...Object.fromEntries(handed), criterion: criterionFrom(options.criterion ?? 'squared') },
  };
}

function askedOf({ budgetMs, speedup }: BudgetOptions): Settings['asked'] {
  expect((budgetMs === undefined) !== (speedup === undefined), {
    kind: 'argument', where: 'budget options', needs: 'one of budgetMs and speedup', got: budgetMs === undefined ? 'none' : 'both',
  });
  return budgetMs !== undefined ? { budgetMs } : { speedup: speedup! };
}
