import { efficiencyCurves, geometricMean, sparsitiesOf, type EfficiencyCurve } from '../src/measure/efficiency.ts';
import type { KernelBench, KernelRow } from '../src/measure/kernels.ts';
import type { Environment } from '../src/measure/record.ts';
import { nothing, number, percent, times } from '../src/measure/words.ts';
import { markdownTable, type Heading } from './markers.ts';
import type { ModelRow } from './models.ts';
import type { DenseResults } from './dense.ts';
import type { PeerRow } from './layer-race.ts';

/** What `bench/kernels` and `bench/models` write. */
export interface KernelResults extends KernelBench {
  readonly peers: readonly PeerRow[];
}
export interface ModelResults {
  readonly environment: Environment;
  readonly rows: readonly ModelRow[];
}

const left = (...heads: string[]): Heading[] => heads.map((head) => ({ head }));
const right = (...heads: string[]): Heading[] => heads.map((head) => ({ head, right: true }));
const place = ({ runtime, engine, simd, threads, cpu }: Environment): string =>
  `${runtime}, ${engine}, ${simd} SIMD, ${threads} thread${threads === 1 ? '' : 's'}, ${cpu}`;

/** Whole networks in our engine. */
export function modelsTable({ rows, environment }: ModelResults): string {
  const mine = rows.filter(({ engine }) => engine === 'burin');
  const cells = mine.map((row) => [
    row.network, row.mask, percent(row.sparsity), number(row.denseMs), number(row.sparseMs),
    times(row.theoreticalSpeedup), times(row.measuredSpeedup), percent(row.efficiency),
  ]);
  const heads = [...left('network', 'mask'), ...right('zeros', 'dense ms', 'sparse ms', 'promised', 'measured', 'of promise')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; medians.`;
}

/** The same networks in other engines: how much longer they take than ours. */
export function peersTable({ rows, environment }: ModelResults): string {
  const ourMs = (row: ModelRow, key: 'denseMs' | 'sparseMs'): number =>
    rows.find(({ engine, network, mask }) => engine === 'burin' && network === row.network && mask === row.mask)?.[key] ?? NaN;
  const cells = rows.filter(({ engine }) => engine !== 'burin').map((row) => [
    row.network, row.mask, `${row.engine} ${row.version}`, number(row.denseMs), times(row.denseMs / ourMs(row, 'denseMs')),
    number(row.sparseMs), times(row.sparseMs / ourMs(row, 'sparseMs')),
  ]);
  const heads = [...left('network', 'mask', 'engine'), ...right('dense ms', 'of ours', 'sparse ms', 'of ours')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; one thread each, in turns with ours.`;
}

/** For each mask its best format, among those that ran (nearly) all of its cases. */
function bestCurves(curves: readonly EfficiencyCurve[]): EfficiencyCurve[] {
  const cases = ({ points }: EfficiencyCurve): number => points.reduce((sum, point) => sum + point.cases, 0);
  const mean = ({ points }: EfficiencyCurve): number => points.reduce((sum, { efficiency }) => sum + efficiency, 0) / points.length;
  return [...new Set(curves.map(({ mask }) => mask))].map((mask) => {
    const own = curves.filter((curve) => curve.mask === mask), most = Math.max(...own.map(cases));
    // Layers of one vector have fewer formats; a mean over most of the cases still stands for all.
    return own.filter((curve) => cases(curve) >= 0.8 * most).reduce((best, curve) => (mean(curve) > mean(best) ? curve : best));
  });
}

/** Geometric means of efficiency by mask and sparsity, in the best format for each mask. */
export function kernelsTable({ rows, environment, ceiling }: KernelResults): string {
  const curves = bestCurves(efficiencyCurves(rows));
  const all = sparsitiesOf(curves);
  const cells = curves.map(({ mask, format, points }) => [
    mask, format, ...all.map((sparsity) => points.find((point) => point.sparsity === sparsity)?.efficiency.toFixed(2) ?? nothing),
  ]);
  return `${markdownTable([...left('mask', 'format'), ...right(...all.map((sparsity) => percent(sparsity)))], cells)}\n\n`
    + `${place(environment)}; ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s.`;
}

/** The fastest dense kernel of each layer against the ceiling, and the layer as a network of its own in every engine. */
export function layersTable({ rows, peers, ceiling }: KernelResults): string {
  const layers = [...new Set(peers.map(({ layer }) => layer))], engines = [...new Set(peers.map(({ engine }) => engine))];
  const cells = layers.flatMap((layer) => {
    const best = rows.find((row) => row.mask === 'none' && row.best && row.case.startsWith(`${layer} `));
    const ms = (engine: string): string => number(peers.find((row) => row.layer === layer && row.engine === engine)?.medianMs ?? null);
    return best ? [[layer, `${best.m}×${best.n}×${best.k}`, best.gflops.toFixed(1), percent(best.peakFraction), ...engines.map(ms)]] : [];
  });
  const versions = engines.map((engine) => `${engine} ${peers.find((row) => row.engine === engine)?.version ?? ''}`.trim());
  const heads = [...left('layer', 'm×n×k'), ...right('GFLOP/s', 'of ceiling', ...versions.map((name) => `${name} ms`))];
  return `${markdownTable(heads, cells)}\n\n`
    + `Ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, memory ${ceiling.gigabytesPerSecond.toFixed(0)} GB/s.`;
}

/** How many layers of the bench list reach which share of the ceiling, and the lowest of each kind. */
export function denseTable({ rows, environment, ceiling }: DenseResults): string {
  const kinds: [string, KernelRow[]][] = [
    ['matrix × matrix', rows.filter(({ n }) => n > 1)],
    ['matrix × vector', rows.filter(({ n }) => n === 1)],
  ];
  const cells = kinds.filter(([, own]) => own.length > 0).map(([kind, own]) => {
    const shares = own.map(({ peakFraction }) => peakFraction), lowest = own.reduce((a, b) => (b.peakFraction < a.peakFraction ? b : a));
    const reached = shares.filter((share) => share >= 0.85).length;
    const name = lowest.case.replace(/ dense$/, '');
    return [kind, `${own.length}`, geometricMean(shares).toFixed(2), `${reached}`, `${name} ${lowest.peakFraction.toFixed(2)}`];
  });
  const heads = [...left('dense layers'), ...right('layers', 'geometric mean of ceiling', 'at 0.85 or more'), ...left('lowest')];
  return `${markdownTable(heads, cells)}\n\n${place(environment)}; ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, timed in turns with each.`;
}
