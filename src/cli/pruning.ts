import type { Graph } from '../graph/graph.ts';
import { prunableLayers } from '../graph/layers.ts';
import type { Evidence, Masks, PruneChannelsOptions, PruneOptions, Scope } from '../prune/index.ts';
import { UsageError, numberFrom, splitName, type Arguments, type Choices, type Io, type Options } from './command.ts';
import { evidenceFrom, evidenceOptions, sayingWhere } from './evidence.ts';
import { maskFrom, maskOptions, maskedBy, type MaskSource } from './masks.ts';

/** How to prune; the same for every command that does. */
export const pruningOptions = {
  sparsity: { type: 'string', value: '0…1', about: 'fraction of the groups to drop, or one for each layer as in fc1=0.92,fc3=0.74' },
  granularity: { type: 'string', value: 'NAME', about: 'what lives or dies together; weight if absent, channels for --remove' },
  criterion: { type: 'string', value: 'NAME', about: 'what ranks it; magnitude if absent' },
  scope: { type: 'string', value: 'NAME', about: 'what is ranked together: layer, row, model, or N:M (N kept of M); layer if absent' },
  allocation: { type: 'string', value: 'NAME', about: 'how the sparsity is divided among the layers; uniform if absent' },
  counting: { type: 'string', value: 'NAME', about: 'how many groups a fraction is; exact if absent, others count as that library does' },
  floor: { type: 'string', value: '0…1', about: 'fraction of its groups that every layer keeps at least; 0 if absent' },
  layers: { type: 'string', value: 'NAME,…', about: 'prune these layers only; * stands for anything' },
  exclude: { type: 'string', value: 'NAME,…', about: 'leave these layers as they are' },
  ...evidenceOptions,
  ...maskOptions,
  strict: { type: 'boolean', about: 'fail where a layer cannot be pruned as asked, instead of leaving it as it was with a note' },
} satisfies Options;

/** What to prune by, without how much. */
export type Manner = Omit<PruneOptions, 'sparsity' | 'scope'> & { readonly scope: Scope & string; readonly seed: number };

export interface PruningPlan {
  readonly manner: Manner;
  readonly sparsity?: PruneOptions['sparsity'];
  /** Masks to be read, instead of made by a criterion. */
  readonly mask?: MaskSource;
  /** What the criterion needs besides the weights. */
  readonly evidence: (graph: Graph) => Promise<Evidence | undefined>;
}

/** Whether anything is to be pruned. */
export const isAsked = ({ sparsity, mask }: PruningPlan): boolean => sparsity !== undefined || mask !== undefined;

const keepOf = /^([1-9]\d*):([1-9]\d*)$/;

function scopeFrom(args: Arguments, names: readonly string[]): { scope: Scope & string; fixed?: number } {
  const scope = args.text('scope') ?? 'layer';
  const pair = keepOf.exec(scope);
  if (!pair && !names.includes(scope)) throw new UsageError(`--scope needs one of ${names.join(', ')}, or N:M as in 2:4, got '${scope}'`);
  if (pair && args.has('sparsity')) throw new UsageError(`--scope ${scope} fixes the sparsity; leave --sparsity out`);
  return { scope: scope as Scope & string, fixed: pair ? 1 - Number(pair[1]) / Number(pair[2]) : undefined };
}

const fraction = { least: 0, most: 1 };

/** One number, or `name=number` for some layers. */
function sparsityFrom(args: Arguments): PruneOptions['sparsity'] {
  if (!args.text('sparsity')?.includes('=')) return args.number('sparsity', fraction);
  const table: Record<string, number> = {};
  for (const part of args.list('sparsity')!) {
    const [name, value] = splitName(part, 'sparsity', 'LAYER=0…1');
    if (Object.hasOwn(table, name)) throw new UsageError(`--sparsity needs one number a layer, got two for '${name}'`);
    table[name] = numberFrom(value, 'sparsity', fraction);
  }
  return table;
}

/** The granularity that takes filters together with all they are tied to by additions, concatenations, depthwise layers. */
const COUPLED = 'channels';

function checkCoupled(args: Arguments): void {
  const extra = ['allocation', 'counting', 'floor', 'strict'].find((name) => args.has(name)), scope = args.text('scope') ?? 'layer';
  if (extra) throw new UsageError(`--granularity ${COUPLED} leaves no group without a channel and counts exactly; leave --${extra} out`);
  if (!['layer', 'model'].includes(scope)) throw new UsageError(`--granularity ${COUPLED} needs --scope layer or model, got '${scope}'`);
}

/** How the command line wants a network pruned, checked before any model is read. */
export async function pruningFrom(args: Arguments): Promise<PruningPlan> {
  const { allocations, countings, criteria, extentsOf, scopes } = await import('../prune/index.ts');
  const { scope, fixed } = scopeFrom(args, Object.keys(scopes));
  const granularity = args.text('granularity') ?? 'weight';
  if (granularity === COUPLED) checkCoupled(args);
  else extentsOf(granularity);
  const given = {
    criterion: args.choice('criterion', Object.keys(criteria)), allocation: args.choice('allocation', Object.keys(allocations)),
    counting: args.choice('counting', Object.keys(countings)), floor: args.number('floor', fraction),
    layers: args.list('layers'), exclude: args.list('exclude'),
  };
  const manner = {
    granularity, scope, strict: args.has('strict'), seed: args.number('seed', { least: 0, whole: true }) ?? 0,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
  const plan = {
    manner, sparsity: fixed ?? sparsityFrom(args), mask: await maskFrom(args),
    evidence: (graph: Graph) => evidenceFrom(args, graph, given.criterion ?? 'magnitude'),
  };
  checkPlan(args, plan);
  return plan;
}

/** A mask decides everything; and what says how to prune needs something that says how much. */
function checkPlan(args: Arguments, plan: PruningPlan): void {
  const { mask, sparsity } = plan;
  const others = Object.keys(pruningOptions).filter((name) => args.has(name) && !Object.hasOwn(maskOptions, name));
  if (mask && others.length) throw new UsageError(`--mask decides what goes; leave --${others[0]} out`);
  if (!mask && sparsity === undefined && others.length && !args.has('sweep')) {
    throw new UsageError(`--${others[0]} needs --sparsity (or --scope N:M)`);
  }
}

/** A pruned network, its masks, and how they were made. */
export interface PrunedModel {
  readonly graph: Graph;
  readonly masks: Masks;
  readonly how: unknown;
  /** No pruning is as fast as was asked for. */
  readonly impossible?: boolean;
}

/** Prunes, and tells which layers were left as they were or kept more than was asked for. */
export async function prunedBy(graph: Graph, { manner, sparsity, mask, evidence }: PruningPlan, io: Io): Promise<PrunedModel> {
  if (mask) return { ...(await maskedBy(graph, mask, io)), how: { mask: mask.path } };
  const { prune, pruneChannels } = await import('../prune/index.ts');
  const how = { ...manner, ...(!manner.scope.includes(':') && { sparsity }) }, given = { ...how, evidence: await evidence(graph) };
  const { granularity: _, strict: __, ...channels } = given;
  const coupled = manner.granularity === COUPLED;
  const { graph: pruned, masks, report } = await sayingWhere(() =>
    (coupled ? pruneChannels(graph, channels as PruneChannelsOptions) : prune(graph, given)));
  for (const { name, refused, floored, emptied } of report) {
    if (refused) io.err(`left as it was: ${name}: ${refused}\n`);
    if (floored) io.err(`kept by --floor: ${name}\n`);
    if (emptied) io.err(`nothing is left of ${name}: its outputs no longer depend on its inputs\n`);
  }
  return { graph: pruned, masks, how };
}

/** How many weights the layers of a graph have, and how many are not zero. */
export function weightsOf(graph: Graph): { layers: number; kept: number; all: number } {
  const layers = prunableLayers(graph);
  let [kept, all] = [0, 0];
  for (const { weight } of layers) {
    const data = graph.constants.get(weight)!.data as Float32Array;
    all += data.length;
    for (let i = 0; i < data.length; i++) if (data[i] !== 0) kept++;
  }
  return { layers: layers.length, kept, all };
}

/** Fraction of the weights that are zero. */
export function sparsityOf(graph: Graph): number {
  const { kept, all } = weightsOf(graph);
  return all ? 1 - kept / all : 0;
}

type Table = Readonly<Record<string, { readonly about: string }>>;
const each = <T>(table: Readonly<Record<string, T>>, say: (row: T) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(table).map(([name, row]) => [name, say(row)]));
const abouts = (table: Table): Record<string, string> => each(table, ({ about }) => about);

/** The tables the options choose from, with what each row is; sizes that a granularity takes are spelt out. */
export async function pruningChoices(): Promise<Choices> {
  const tables = await import('../prune/index.ts'), { granularities, layouts, meanings, scopes } = tables;
  const spelt = Object.entries(granularities).map(([name, extents]) => {
    const sizes = extents.filter((extent) => typeof extent === 'string');
    return [sizes.length ? `${name}(${sizes.join(',')})` : name, meanings[name as keyof typeof meanings]];
  });
  return {
    'mask layout': Object.keys(layouts),
    'Granularities': { ...Object.fromEntries(spelt), [COUPLED]: 'filters with all they are tied to; see --remove' },
    'Criteria': each(tables.criteria, ({ formula }) => formula),
    'Scopes': { ...abouts(scopes), 'N:M': 'N of every M consecutive groups along the input channels are kept' },
    'Allocations': abouts(tables.allocations),
    'Countings': abouts(tables.countings),
    'Evidence': abouts(tables.evidences),
    'Schedules (of Pruner and drivers, for a training loop in JavaScript)': each(
      tables.schedules, ({ formula, source }) => `${formula}; ${source}`,
    ),
  };
}
