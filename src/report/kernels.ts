import { efficiencyCurves, sparsitiesOf, type EfficiencyCurve, type EfficiencyPoint } from '../measure/efficiency.ts';
import type { KernelTiming, KernelTimings } from '../measure/kernels.ts';
import { count, nothing, percent, times } from '../measure/words.ts';
import { textTable, type TableColumn } from './text.ts';
import { place } from './words.ts';

interface Field {
  readonly head: string;
  readonly width: number;
  readonly right?: boolean;
  readonly cell: (row: KernelTiming) => string;
  /** Only where it is measured: on WebAssembly, or on a GPU. */
  readonly only?: 'cpu' | 'gpu';
  /** Its width on a GPU, where names are longer. */
  readonly gpuWidth?: number;
}

/** The columns of a kernel table: wide enough for every case, so that lines can be printed while others are still measured. */
const fields: readonly Field[] = [
  { head: 'case', width: 42, cell: (row) => row.case },
  { head: 'm×n×k', width: 15, cell: ({ m, n, k }) => `${m}×${n}×${k}` },
  { head: 'zeros', width: 6, right: true, cell: (row) => percent(row.sparsity) },
  { head: 'format', width: 7, gpuWidth: 9, cell: (row) => row.format },
  { head: 'kernel', width: 18, gpuWidth: 26, cell: (row) => row.kernel.replace(/^f32_/, '') },
  { head: 'error', width: 7, right: true, cell: (row) => row.maxError.toExponential(1) },
  { head: 'ms', width: 8, right: true, cell: (row) => row.medianMs.toPrecision(3) },
  { head: '±', width: 6, right: true, cell: (row) => percent(row.spread) },
  { head: 'GFLOP/s', width: 7, right: true, cell: (row) => row.gflops.toFixed(1) },
  { head: 'as dense', width: 8, right: true, cell: (row) => row.effectiveGflops.toFixed(1) },
  { head: 'of peak', width: 7, right: true, only: 'cpu', cell: (row) => percent(row.peakFraction) },
  { head: 'efficiency', width: 10, right: true, cell: (row) => row.efficiency.toFixed(3) },
  { head: 'identity', width: 8, right: true, only: 'gpu', cell: (row) => row.ofIdentity?.toFixed(3) ?? nothing },
];

const line = (gpu: boolean) => (text: (field: Field) => string, mark = ''): string => {
  const shown = fields.filter(({ only }) => !only || only === (gpu ? 'gpu' : 'cpu'));
  const widthOf = ({ width, gpuWidth = width }: Field): number => (gpu ? gpuWidth : width);
  const cells = shown.map((field) => text(field)[field.right ? 'padStart' : 'padEnd'](widthOf(field)));
  return `${cells.join(' ')}${mark}`.trimEnd();
};

export interface KernelLines {
  /** The heads of the columns. */
  readonly head: string;
  /** One row of a bench in one line; `*` marks the fastest of its case. */
  readonly row: (row: KernelTiming) => string;
}

/** The lines of a bench, as wide as its device's names are. */
export function kernelLines({ environment: { adapter } }: Pick<KernelTimings, 'environment'>): KernelLines {
  const write = line(adapter !== undefined);
  return { head: write((field) => field.head), row: (row) => write((field) => field.cell(row), row.best ? ' *' : '') };
}

/** On WebAssembly. */
export const kernelHead = line(false)((field) => field.head);
export const kernelLine = (row: KernelTiming): string => line(false)((field) => field.cell(row), row.best ? ' *' : '');

/** The ceilings and the place of a bench, in one line. */
export function benchPlace({ environment: e, ceiling }: Omit<KernelTimings, 'rows'>): string {
  if (e.adapter) return `${place({ environment: e })} · ${e.timestamps ? 'timestamp queries' : 'timed between fences'}`;
  const limits = ceiling ? ` · ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, ${ceiling.gigabytesPerSecond.toFixed(1)} GB/s` : '';
  return `${e.runtime} · ${e.engine} · ${e.simd} SIMD · ${e.threads} thread · ${e.cpu}${limits}`;
}

/** The cases' curves, without matrices that have zeros of their own: each has its sparsity, which makes no curve. */
export const curvesOf = (rows: readonly KernelTiming[]): EfficiencyCurve[] =>
  efficiencyCurves(rows.filter(({ mask }) => mask !== 'own'));

/** What the fastest format makes of each mask, at each sparsity. */
export function bestCurves(curves: readonly EfficiencyCurve[]): { mask: string; points: (EfficiencyPoint & { format: string })[] }[] {
  return [...new Set(curves.map(({ mask }) => mask))].map((mask) => {
    const own = curves.filter((curve) => curve.mask === mask);
    const all = own.flatMap(({ format, points }) => points.map((point) => ({ ...point, format })));
    const at = sparsitiesOf(curves).map((sparsity) => all.filter((point) => point.sparsity === sparsity));
    return { mask, points: at.filter((list) => list.length).map((list) => list.reduce((a, b) => (b.speedup > a.speedup ? b : a))) };
  });
}

/** Masks at which dense kernels win, and from where on others beat them. */
export function winners(curves: readonly EfficiencyCurve[]): string[] {
  const best = bestCurves(curves), pays = best.filter(({ points }) => points.at(-1)!.speedup >= 1);
  const never = best.filter((one) => !pays.includes(one)).map(({ mask }) => mask);
  const from = pays.map(({ mask, points }) => {
    const last = points.findLastIndex(({ speedup }) => speedup < 1), { format, sparsity, speedup } = points[last + 1];
    return `${mask} from ${percent(sparsity)} zeros on (${format}, ${times(speedup)})`;
  });
  return [
    ...(from.length ? [`Faster than the best dense kernel here: ${from.join(', ')}.`] : []),
    ...(never.length ? [`Dense kernels win to the end of what was measured: ${never.join(', ')}.`] : []),
  ];
}

export function breakEvenWords({ breakEven, points }: EfficiencyCurve): string {
  if (breakEven !== null) return percent(breakEven);
  return (points.at(-1)?.speedup ?? 0) >= 1 ? `below ${percent(points[0].sparsity)}` : nothing;
}

const hasIdentity = ({ ofIdentity }: EfficiencyPoint): boolean => ofIdentity !== undefined;

/** Least and most of what kernels reach of their own speed with every position stored. */
export function identityWords({ points }: EfficiencyCurve): string {
  const all = points.filter(hasIdentity).map(({ ofIdentity }) => ofIdentity!).sort((a, b) => a - b);
  if (all.length === 0) return nothing;
  const [least, most] = [all[0], all.at(-1)!].map((share) => share.toFixed(2));
  return least === most ? least : `${least} to ${most}`;
}

/** Geometric means of efficiency (and speedup) by mask, format and sparsity, with the break-even of each. */
export function efficiencyTable(rows: readonly KernelTiming[], width: number): string {
  const curves = curvesOf(rows), all = sparsitiesOf(curves), same = curves.some(({ points }) => points.some(hasIdentity));
  if (curves.length === 0) return 'No sparse kernel was measured.';
  const column = (head: string, cells: string[], right = true): TableColumn => ({ head, cells, right, spare: 0 });
  const at = (curve: EfficiencyCurve, sparsity: number): string => {
    const point = curve.points.find((one) => one.sparsity === sparsity);
    return point ? `${point.efficiency.toFixed(2)} (${times(point.speedup)})` : '';
  };
  return textTable([
    column('mask', curves.map(({ mask }) => mask), false),
    column('format', curves.map(({ format }) => format), false),
    ...all.map((sparsity) => column(`${percent(sparsity)} zeros`, curves.map((curve) => at(curve, sparsity)))),
    ...(same ? [column('identity', curves.map(identityWords))] : []),
    column('pays from', curves.map(breakEvenWords)),
    column('cases', curves.map(({ points }) => count(Math.max(...points.map((point) => point.cases))))),
  ], width);
}
