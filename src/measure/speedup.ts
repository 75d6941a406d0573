import { expect, lookUp, show } from '../expect.ts';
import { formats } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import { prune, type PruneOptions } from '../prune/index.ts';
import { engines } from '../runtime/engine.ts';
import { SparseSession, type SessionOptions } from '../runtime/session.ts';
import type { Shape, TensorLike } from '../tensor.ts';
import type { Tolerance } from './agree.ts';
import { bytesOf } from './bytes.ts';
import { compare, type Counted, type Progress } from './compare.ts';
import { search, type Sweep } from './curve.ts';
import { fill, shapeOf } from './feeds.ts';
import { profileOf } from './profile.ts';
import type { Peer, Pruning, Ratio, Report } from './record.ts';
import { workOf } from './work.ts';

export interface MeasureOptions extends Pick<SessionOptions, 'executionProviders' | 'formats' | 'tune' | 'threads' | 'shapes'> {
  /** What the report calls the model; the graph's own name when absent. */
  readonly model?: string;
  /** Timed runs of each edition; 30 when absent. */
  readonly samples?: number;
  /** Inputs; sin(0.37·i) when absent. */
  readonly feeds?: Readonly<Record<string, TensorLike>>;
  /** Recorded in the report; `measure` itself prunes nothing. */
  readonly pruning?: Pruning;
  readonly peers?: readonly Peer[];
  readonly tolerance?: Tolerance;
  readonly onProgress?: (progress: Progress) => void;
}

/** Every option there is, so that a misspelt one does not pass for none. */
const measureKeys = {
  executionProviders: true, formats: true, tune: true, threads: true, shapes: true, model: true, samples: true, feeds: true,
  pruning: true, peers: true, tolerance: true, onProgress: true,
} satisfies Record<keyof MeasureOptions, true>;

function checkKeys(options: object, known: Readonly<Record<string, true>>, where: string): void {
  for (const key of Object.keys(options)) lookUp(known, key, where);
}

function checkSamples({ samples = 1 }: Pick<MeasureOptions, 'samples'>): void {
  const fits = Number.isInteger(samples) && samples >= 1;
  expect(fits, { kind: 'argument', where: 'option samples', needs: 'a whole number of 1 or more', got: show(samples) });
}

function feedsFor(graph: Graph, shapes: Readonly<Record<string, Shape>>): Record<string, TensorLike> {
  return Object.fromEntries(graph.inputs.map((input) => [input.name, fill(input, shapes[input.name])]));
}

function shapesFor(graph: Graph, options: MeasureOptions): Record<string, Shape> {
  const given = (name: string): Shape | undefined => options.feeds?.[name]?.dims ?? options.feeds?.[name]?.shape ?? options.shapes?.[name];
  return Object.fromEntries(graph.inputs.map((input) => [input.name, shapeOf(input, given(input.name))]));
}

/** JSON knows no infinity. */
const finite = (value: number | null): Ratio => (value !== null && Number.isFinite(value) ? value : null);

function countedIn(graph: Graph, shapes: Readonly<Record<string, Shape>>): Counted {
  const { params, nonzeroParams, compressionRatio, macs, theoreticalSpeedup } = workOf(graph, shapes).totals;
  const { masked, effective, inBounds } = theoreticalSpeedup;
  return {
    params, nonzeroParams, macs,
    compressionRatio: finite(compressionRatio),
    theoreticalSpeedup: { masked: finite(masked), effective: finite(effective), inBounds: finite(inBounds) },
  };
}

/**
 * What the zeros of a graph are worth on this device: its theoretical speedup, its measured one against the fastest dense kernels of the
 * same engine on the network as it is given, dead channels included, and where the difference went.
 * @throws BurinError `argument` for an unknown option or a value it cannot have, `limit` for inputs too large to make up;
 * `device` when the sparse outputs differ from the dense ones; then nothing is timed.
 */
export async function measure(graph: Graph, options: MeasureOptions = {}): Promise<Report> {
  const report = await timed(graph, options);
  return { ...report, profile: profileOf(graph, { shapes: shapesFor(graph, options) }), bytes: bytesOf(graph) };
}

/** The report without what is only counted, which a sweep does not need. */
async function timed(graph: Graph, options: MeasureOptions): Promise<Report> {
  checkKeys(options, measureKeys, 'measure options');
  checkSamples(options);
  const { model = graph.name, pruning, peers, samples, tolerance, onProgress, tune } = options, shapes = shapesFor(graph, options);
  const { dense, sparse, elsewhere } = await editionsOf(graph, options, shapes);
  try {
    const feeds = options.feeds ?? feedsFor(graph, shapes);
    const told = { ...(options.formats && { formats: options.formats }), ...(tune && { tune }) };
    const report = await compare({ model, dense, sparse, counted: countedIn(graph, shapes), feeds, samples, tolerance, told, onProgress });
    return { ...report, ...(elsewhere && { elsewhere }), ...(pruning && { pruning }), ...(peers && { peers }) };
  } finally {
    for (const session of [dense, sparse]) session.release();
  }
}

interface Editions extends Pick<Report, 'elsewhere'> { readonly dense: SparseSession; readonly sparse: SparseSession }

/** Both editions, ready to run: a network that does not fit the device says so before its inputs are made up. */
async function editionsOf(graph: Graph, options: MeasureOptions, shapes: Readonly<Record<string, Shape>>): Promise<Editions> {
  const { onProgress, executionProviders, tune, threads, formats } = options, open: SparseSession[] = [];
  type Own = Pick<SessionOptions, 'formats' | 'removeDead' | 'executionProviders'>;
  const edition = async (stage: string, own: Own): Promise<SparseSession> => {
    const session = await SparseSession.create(graph, {
      executionProviders, tune, threads, shapes, ...own,
      onProgress: onProgress && ((p) => onProgress({ ...p, stage: `${stage}: ${p.stage}` })),
    });
    open.push(session);
    await session.prepare(shapes);
    return session;
  };
  // The baseline multiplies every zero: a layer that runs smaller because of them is something the zeros are worth.
  const baseline = { formats: ['dense'], removeDead: false };
  try {
    const dense = await edition('dense', baseline), sparse = await edition('sparse', { formats });
    const [before, after] = [dense, sparse].map((session) => session.environment().choice);
    if (!before || !after || before.chosen === after.chosen || !Object.hasOwn(engines, after.chosen)) return { dense, sparse };
    // A mask is worth what it gives on one device: the sparse edition's, which is what an app would run.
    dense.release();
    const beside = await edition('dense', { ...baseline, executionProviders: [after.chosen] }), denseMs = before.ms[before.chosen];
    return { dense: beside, sparse, ...(denseMs && { elsewhere: { provider: before.chosen, denseMs } }) };
  } catch (error) {
    for (const session of open) session.release();
    throw error;
  }
}

export interface SweepOptions extends Omit<MeasureOptions, 'pruning' | 'model'> {
  /** How to prune; the sparsity comes from the sweep. */
  readonly pruning?: Omit<PruneOptions, 'sparsity'>;
  /** Further measurements that narrow the break-even down by halving its interval; 2 when absent. */
  readonly refinements?: number;
}

const { model: _, ...sharedKeys } = measureKeys;
const sweepKeys = { ...sharedKeys, refinements: true } satisfies Record<keyof SweepOptions, true>;

/**
 * Speedup over sparsity. Unless told otherwise only sparse formats may be chosen here: with dense among the candidates a session never
 * falls below 1, and the break-even could not be seen.
 * @throws BurinError `argument` for a sparsity outside 0…1 and as `measure`
 */
export async function sweep(graph: Graph, sparsities: readonly number[], options: SweepOptions = {}): Promise<Sweep> {
  checkKeys(options, sweepKeys, 'sweep options');
  checkSamples(options);
  const { pruning, refinements = 2, ...rest } = options;
  for (const sparsity of sparsities) {
    expect(sparsity >= 0 && sparsity <= 1, { kind: 'argument', where: 'sweep', needs: 'sparsities from 0 to 1', got: `${sparsity}` });
  }
  const sparseFormats = rest.formats ?? Object.keys(formats).filter((name) => name !== 'dense');
  return search(async (sparsity) => {
    const pruned = prune(graph, { ...pruning, sparsity }).graph;
    const { totals } = await timed(pruned, { ...rest, formats: sparseFormats });
    return { sparsity, theoretical: totals.theoreticalSpeedup.masked, measured: totals.measuredSpeedup };
  }, sparsities, refinements);
}
