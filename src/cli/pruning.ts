import type { Graph } from '../graph/graph.ts';
import type { CriterionName, Scope } from '../prune/index.ts';
import { UsageError, type Arguments, type Io, type Options } from './command.ts';

/** How to prune; the same for every command that does. */
export const pruningOptions = {
  sparsity: { type: 'string', value: '0…1', about: 'fraction of the groups to drop' },
  granularity: { type: 'string', value: 'NAME', about: 'what lives or dies together; weight if absent' },
  criterion: { type: 'string', value: 'NAME', about: 'what ranks it; magnitude if absent' },
  scope: { type: 'string', value: 'NAME', about: 'what is ranked together: layer, model, or N:M (N kept of M); layer if absent' },
  strict: { type: 'boolean', about: 'fail where a layer cannot be pruned as asked, instead of leaving it as it was with a note' },
} satisfies Options;

/** What to prune by, without how much. */
export interface Manner {
  readonly criterion: CriterionName;
  readonly granularity: string;
  readonly scope: Scope & string;
  readonly strict: boolean;
  readonly seed: number;
}

export interface PruningPlan {
  readonly manner: Manner;
  /** Absent: nothing is to be pruned. */
  readonly sparsity?: number;
}

const keepOf = /^([1-9]\d*):([1-9]\d*)$/;

function scopeFrom(args: Arguments, names: readonly string[]): { scope: Scope & string; fixed?: number } {
  const scope = args.text('scope') ?? 'layer';
  const pair = keepOf.exec(scope);
  if (!pair && !names.includes(scope)) throw new UsageError(`--scope needs one of ${names.join(', ')}, or N:M as in 2:4, got '${scope}'`);
  if (pair && args.has('sparsity')) throw new UsageError(`--scope ${scope} fixes the sparsity; leave --sparsity out`);
  return { scope: scope as Scope & string, fixed: pair ? 1 - Number(pair[1]) / Number(pair[2]) : undefined };
}

/** How the command line wants a network pruned, checked before any model is read. */
export async function pruningFrom(args: Arguments): Promise<PruningPlan> {
  const { criteria, extentsOf, scopes } = await import('../prune/index.ts');
  const { scope, fixed } = scopeFrom(args, Object.keys(scopes));
  const granularity = args.text('granularity') ?? 'weight';
  extentsOf(granularity);
  const manner = {
    granularity, scope,
    criterion: (args.choice('criterion', Object.keys(criteria)) ?? 'magnitude') as CriterionName,
    strict: args.has('strict'),
    seed: args.number('seed', { least: 0, whole: true }) ?? 0,
  };
  return { manner, sparsity: fixed ?? args.number('sparsity', { least: 0, most: 1 }) };
}

/** Prunes, and tells which layers were left as they were. */
export async function prunedBy(graph: Graph, manner: Manner, { sparsity, io }: { sparsity: number; io: Io }): Promise<Graph> {
  const { prune } = await import('../prune/index.ts');
  const fixed = manner.scope.includes(':');
  const { graph: pruned, report } = prune(graph, { ...manner, ...(!fixed && { sparsity }) });
  for (const { name, refused } of report) if (refused) io.err(`left as it was: ${name}: ${refused}\n`);
  return pruned;
}

/** The tables the options choose from; sizes that a granularity takes are spelt out. */
export async function pruningChoices(): Promise<Record<string, readonly string[]>> {
  const { criteria, granularities, scopes } = await import('../prune/index.ts');
  const spelt = Object.entries(granularities).map(([name, extents]) => {
    const sizes = extents.filter((extent) => typeof extent === 'string');
    return sizes.length ? `${name}(${sizes.join(',')})` : name;
  });
  return { granularity: spelt, criterion: Object.keys(criteria), scope: [...Object.keys(scopes), 'N:M'] };
}
