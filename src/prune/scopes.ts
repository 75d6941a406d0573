import { expect, fail, show } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';
import { layersNamed } from './choose.ts';
import type { Scores } from './criteria/criteria.ts';
import type { Grid } from './groups.ts';
import { rank, type Ranked, type Ranking } from './rank.ts';
import { checkWindows, dropOfWindows, type KeepOf } from './windows.ts';

export type { KeepOf } from './windows.ts';

/** A layer's groups with their scores, ready to be ranked. */
export interface Candidate {
  readonly layer: Layer;
  readonly grid: Grid;
  readonly scores: Scores;
  /** Fraction of the groups to drop. */
  readonly sparsity: number;
}

/** What is ranked together. */
export interface ScopeRule {
  readonly about: string;
  /** Lists of layers whose groups are ranked together, of all layers that are pruned. */
  readonly batches: (layers: readonly Layer[]) => readonly (readonly Layer[])[];
  /** Which groups go of the candidates of one batch. */
  readonly choose: (candidates: readonly Candidate[], ranking: Omit<Ranking, 'sparsity'>) => Ranked;
  /** Why a layer cannot be pruned this way. @throws BurinError */
  readonly check?: (layer: Layer, grid: Grid) => void;
  /** The scope decides the sparsity by itself. */
  readonly fixed?: number;
}

const alone = (layers: readonly Layer[]): Layer[][] => layers.map((layer) => [layer]);

/**
 * What is ranked together, besides N:M and lists of layers. A layer of which nothing is left is marked `emptied` in the report: so one is
 * by scope row where a filter is a single group, all of which go above a sparsity of one half. Option `floor` keeps that from happening.
 */
export const scopes = {
  layer: { about: 'each layer loses the same fraction of its groups', batches: alone, choose: together },
  row: { about: 'each filter (row of a linear layer) loses the same fraction of its groups', batches: alone, choose: rowByRow },
  model: { about: 'the groups of all layers are ranked together', batches: (layers) => [layers], choose: together },
} satisfies Record<string, ScopeRule>;

/** Lists of layer names, where `*` stands for anything: each list is ranked together, and every other layer on its own. */
export type LayerLists = readonly (readonly string[])[];

/**
 * What is ranked together: a row of {@link scopes}, N:M (N kept of every M consecutive input channels, NVIDIA's meaning) or lists of
 * layers.
 */
export type Scope = keyof typeof scopes | `${number}:${number}` | KeepOf | LayerLists;

/** The rule of a scope. @throws BurinError `argument` for an unknown one. */
export function scopeRule(scope: Scope): ScopeRule {
  if (Array.isArray(scope)) return listed(scope as LayerLists);
  if (typeof scope === 'object' && scope !== null) return keepOf(scope as KeepOf);
  if (typeof scope === 'string' && Object.hasOwn(scopes, scope)) return scopes[scope as keyof typeof scopes];
  const pattern = /^(\d+):(\d+)$/.exec(String(scope));
  if (pattern) return keepOf({ keep: Number(pattern[1]), of: Number(pattern[2]) });
  const needs = `one of ${Object.keys(scopes).join(', ')}, keep:of as in 2:4, or lists of layers`;
  return fail({ kind: 'argument', where: 'scope', needs, got: show(scope) });
}

/** Layers that ask for different sparsities lose together what they would lose alone. */
function together(candidates: readonly Candidate[], ranking: Omit<Ranking, 'sparsity'>): Ranked {
  const groups = candidates.reduce((sum, { grid }) => sum + grid.groups, 0);
  const same = candidates.every(({ sparsity }) => sparsity === candidates[0].sparsity);
  const sparsity = same ? candidates[0].sparsity : candidates.reduce((sum, own) => sum + own.sparsity * own.grid.groups, 0) / groups;
  return rank(candidates.map(({ scores }) => scores), { ...ranking, sparsity });
}

/** Groups of a grid are numbered filter by filter, so that those of one lie together. */
function rowByRow(candidates: readonly Candidate[], ranking: Omit<Ranking, 'sparsity'>): Ranked {
  const rows = candidates.map(({ grid, scores, sparsity }) => {
    const size = grid.groups / grid.counts[0], marks = new Uint8Array(scores.length);
    let [ties, floored] = [0, false];
    for (let first = 0; first < scores.length; first += size) {
      const row = rank([scores.subarray(first, first + size)], { ...ranking, sparsity });
      marks.set(row.marks[0], first);
      ties += row.ties[0];
      floored ||= row.floored[0];
    }
    return { marks, ties, floored };
  });
  return { marks: rows.map((row) => row.marks), ties: rows.map((row) => row.ties), floored: rows.map((row) => row.floored) };
}

function keepOf({ keep, of }: KeepOf): ScopeRule {
  const whole = Number.isInteger(keep) && Number.isInteger(of);
  const got = `keep ${keep}, of ${of}`;
  expect(whole && keep >= 1 && keep < of, { kind: 'argument', where: 'scope', needs: 'whole numbers 1 <= keep < of', got });
  return {
    about: `${keep} of every ${of} consecutive groups along the input channels are kept`,
    batches: alone,
    choose: (candidates) => {
      const chosen = candidates.map(({ grid, scores }) => dropOfWindows(grid, scores, { keep, of }));
      return { marks: chosen.map(({ marks }) => marks), ties: chosen.map(({ ties }) => ties), floored: candidates.map(() => false) };
    },
    check: (layer, grid) => checkWindows(layer, grid, { keep, of }),
    fixed: 1 - keep / of,
  };
}

function listed(lists: LayerLists): ScopeRule {
  const isList = (list: unknown): boolean => Array.isArray(list) && list.length > 0 && list.every((name) => typeof name === 'string');
  const fits = lists.length > 0 && lists.every(isList);
  expect(fits, { kind: 'argument', where: 'scope', needs: 'lists of layer names', got: show(lists) });
  return {
    about: 'the groups of the layers of each list are ranked together',
    batches: (layers) => {
      const chosen = lists.map((list) => [...layersNamed(layers, list, 'scope')]), taken = chosen.flat();
      const twice = taken.find((layer, i) => taken.indexOf(layer) !== i);
      expect(!twice, { kind: 'argument', where: 'scope', needs: 'each layer in one list', got: `${twice?.name} in two` });
      return [...chosen, ...alone(layers.filter((layer) => !taken.includes(layer)))];
    },
    choose: together,
  };
}
