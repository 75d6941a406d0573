import { expect, lookUp, show } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import { prunableLayers, type Layer } from '../graph/layers.ts';
import { allocations, type Allocation } from './allocations.ts';
import { byWeight } from './choose.ts';
import type { CriterionName } from './criteria/criteria.ts';
import type { PruneOptions } from './options.ts';
import { scopeRule, scopes, type ScopeRule } from './scopes.ts';

/** Who is ranked with whom, and what each layer is to lose. */
export interface Division {
  readonly rule: ScopeRule;
  readonly batches: readonly (readonly Layer[])[];
  /** Fraction of its groups that a layer is to lose. */
  readonly sparsityOf: (layer: Layer) => number;
  readonly rescale?: Allocation['rescale'];
  /** The criterion to take where none is named. */
  readonly criterion: CriterionName;
}

/**
 * Scope, allocation and sparsity of `options`, checked against each other. `fitting` says which layers the scope can rank.
 * @throws BurinError `argument`
 */
export function dividedAs(graph: Graph, options: PruneOptions, fitting: (rule: ScopeRule) => Layer[]): Division {
  const named = scopeRule(options.scope ?? 'layer'), allocation = allocationOf(options, named);
  const rule = allocation.shares ? named : scopes.model, layers = fitting(rule), { rescale, criterion = 'magnitude' } = allocation;
  const sparsityOf = sparsities(graph, layers, { options, rule, allocation });
  return { rule, batches: layers.length ? rule.batches(layers) : [], sparsityOf, rescale, criterion };
}

function allocationOf({ allocation, scope, sparsity }: PruneOptions, rule: ScopeRule): Allocation {
  const asked = typeof allocation === 'string' ? lookUp<Allocation>(allocations, allocation, 'allocation') : allocation;
  const name = typeof allocation === 'string' ? `allocation ${allocation}` : 'option allocation';
  const scoped = `scope ${show(scope ?? 'layer')}`;
  const conflict = (fits: boolean, needs: string, got: string): void => expect(fits, { kind: 'argument', where: name, needs, got });
  if (!asked) return rule === scopes.model ? allocations.global : allocations.uniform;
  conflict(rule.fixed === undefined, 'a scope that leaves the sparsity open', scoped);
  conflict(typeof sparsity !== 'object' || asked === allocations.uniform, 'one number for sparsity', 'a table, which allocates by itself');
  if (asked.shares) conflict(rule !== scopes.model, 'a scope other than model, which allocates by itself', scoped);
  else conflict(rule === scopes.model || rule === scopes.layer, 'scope model, or none', scoped);
  return asked;
}

interface Wish { readonly options: PruneOptions; readonly rule: ScopeRule; readonly allocation: Allocation }

function sparsities(graph: Graph, layers: readonly Layer[], { options, rule, allocation }: Wish): Division['sparsityOf'] {
  const { sparsity } = options;
  const where = 'option sparsity';
  if (rule.fixed !== undefined) {
    const fixed = rule.fixed, { counting, floor = 0 } = options, most = 1 - fixed;
    expect(counting === undefined || counting === 'exact', {
      kind: 'argument', where: 'option counting', needs: 'exact or nothing, as the scope decides how many groups stay', got: show(counting),
    });
    expect(floor <= most + 1e-9, {
      kind: 'argument', where: 'option floor', needs: `at most ${most}, which is what the scope keeps`, got: show(floor),
    });
    expect(sparsity === undefined || sparsity === fixed, {
      kind: 'argument', where, needs: `${fixed} or nothing, as the scope decides it`, got: show(sparsity),
    });
    return () => fixed;
  }
  expect(sparsity !== undefined && sparsity !== null, { kind: 'argument', where, needs: 'a fraction 0 … 1', got: 'nothing' });
  expect(typeof sparsity === 'number' || allocation.shares, {
    kind: 'argument', where, needs: 'one number, as all layers are ranked together', got: 'a table',
  });
  for (const [name, value] of typeof sparsity === 'number' ? [['all layers', sparsity] as const] : Object.entries(sparsity)) {
    expect(typeof value === 'number' && value >= 0 && value <= 1, {
      kind: 'argument', where: `${where}, ${name}`, needs: 'a fraction 0 … 1', got: show(value),
    });
  }
  if (typeof sparsity === 'number') return divided(graph, layers, { sparsity, allocation });
  const asked = byWeight(prunableLayers(graph), sparsity, where);
  return ({ weight }) => asked.get(weight)!;
}

interface Divided { readonly sparsity: number; readonly allocation: Allocation }

function divided(graph: Graph, layers: readonly Layer[], { sparsity, allocation }: Divided): Division['sparsityOf'] {
  if (!allocation.shares) return () => sparsity;
  const shares = allocation.shares(layers.map((layer) => {
    const { dims, size } = graph.constants.get(layer.weight)!;
    return { layer, dims, size };
  }), sparsity);
  const fit = Array.isArray(shares) && shares.length === layers.length && shares.every((share) => share >= 0 && share <= 1);
  expect(fit, { kind: 'argument', where: 'option allocation', needs: 'a fraction 0 … 1 for each layer', got: show(shares) });
  const table = new Map(layers.map((layer, i) => [layer, shares[i]]));
  return (layer) => table.get(layer)!;
}
