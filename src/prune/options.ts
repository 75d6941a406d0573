import { expect, lookUp, show } from '../expect.ts';
import type { Allocation, AllocationName } from './allocations.ts';
import type { LayerChoice } from './choose.ts';
import type { CountingName } from './counting.ts';
import type { CriterionChoice } from './criteria/ask.ts';
import type { Criterion } from './criteria/criteria.ts';
import type { Evidence } from './criteria/evidence.ts';
import type { Granularity } from './granularities.ts';
import type { Reduction } from './groups.ts';
import type { Scope } from './scopes.ts';

/** Options of `prune`. Sparsities and floors are fractions 0 … 1 of the groups that the granularity makes. */
export interface PruneOptions {
  /** Scores a weight; the smallest go. Default magnitude (squared under allocation lamp). */
  readonly criterion?: CriterionChoice;
  /** How far one decision reaches. Default weight. */
  readonly granularity?: Granularity;
  /** What is ranked together. Default layer. Row is for granularities with several groups a filter: of one all go, or none. */
  readonly scope?: Scope;
  /**
   * Fraction of the groups to drop, 0 … 1, of all layers, or by the name of a layer or of its weight (others stay as they are).
   * N:M decides it by itself.
   */
  readonly sparsity?: number | Readonly<Record<string, number>>;
  /** How the sparsity is divided among the layers. Default uniform; scope model ranks all together, as allocation global. */
  readonly allocation?: AllocationName | (string & {}) | Allocation;
  /** How many groups a fraction is, exactly (default) or as another library counts. N:M counts by itself: only exact goes with it. */
  readonly counting?: CountingName | (string & {});
  /**
   * Fraction of its groups that every layer (under scope row every filter) keeps at least, 0 … 1; above 0 at least one. Default 0.
   * Under N:M at most N/M, which every window keeps anyway.
   */
  readonly floor?: number;
  /** What the criterion needs besides the weights, by the name of a layer or of its weight. */
  readonly evidence?: Evidence;
  /** Which layers. Default all. */
  readonly layers?: LayerChoice;
  /** Which of them not. */
  readonly exclude?: LayerChoice;
  /** How the scores of a group become one. Default mean. */
  readonly reduction?: Reduction;
  /** For the random criterion. Default 0. */
  readonly seed?: number;
  /** Throw for a layer that cannot be pruned as asked (default), or leave it dense and say so in the report. */
  readonly strict?: boolean;
}

type Check = (value: unknown) => boolean;

const isObject: Check = (value) => typeof value === 'object' && value !== null;
const isFunctionIfAny: Check = (value) => value === undefined || typeof value === 'function';
const isText: Check = (value) => typeof value === 'string';
const layers = {
  needs: 'names of layers or a function',
  test: (value: unknown) => typeof value === 'function' || (Array.isArray(value) && value.every(isText)),
};

/** What each option must be; the names they may take are for the tables. An option that is not here is a misspelling. */
const checks: Readonly<Record<keyof PruneOptions, { readonly needs: string; readonly test: Check }>> = {
  criterion: {
    needs: 'the name of a criterion, a function or { formula, score }',
    test: (value) => isText(value) || typeof value === 'function' || typeof (value as Criterion | null)?.score === 'function',
  },
  granularity: { needs: 'the name of a granularity or four extents', test: (value) => isText(value) || Array.isArray(value) },
  scope: { needs: "the name of a scope, '2:4', { keep, of } or lists of layer names", test: (value) => isText(value) || isObject(value) },
  sparsity: {
    needs: 'a number 0 … 1, or an object of such numbers by layer name',
    test: (value) => typeof value === 'number' || (isObject(value) && !Array.isArray(value)),
  },
  allocation: {
    needs: 'the name of an allocation or { about, shares, rescale }',
    test: (value) => isText(value)
      || (isObject(value) && isFunctionIfAny((value as Allocation).shares) && isFunctionIfAny((value as Allocation).rescale)),
  },
  counting: { needs: 'the name of a counting', test: isText },
  floor: { needs: 'a fraction 0 … 1', test: (value) => typeof value === 'number' && value >= 0 && value <= 1 },
  evidence: { needs: 'an object by layer name', test: (value) => isObject(value) && !Array.isArray(value) },
  layers,
  exclude: layers,
  reduction: { needs: 'the name of a reduction', test: isText },
  seed: { needs: 'a finite number', test: Number.isFinite },
  strict: { needs: 'true or false', test: (value) => typeof value === 'boolean' },
};

/** @throws BurinError `argument` for an option that does not exist or a value of the wrong kind. */
export function checkOptions(options: PruneOptions): void {
  expect(isObject(options), {
    kind: 'argument', where: 'prune options', needs: 'an object as in { sparsity: 0.9 }', got: show(options),
  });
  for (const [name, value] of Object.entries(options)) {
    const { needs, test } = lookUp(checks, name, 'prune options');
    expect(value === undefined || test(value), { kind: 'argument', where: `option ${name}`, needs, got: show(value) });
  }
}
