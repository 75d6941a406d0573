import { efficiencyCurves, sparsitiesOf, type EfficiencyCurve } from '../measure/efficiency.ts';
import type { KernelBench, KernelRow } from '../measure/kernels.ts';
import { count, nothing, percent, times } from '../measure/words.ts';
import { textTable, type TableColumn } from './text.ts';

interface Field {
  readonly head: string;
  readonly width: number;
  readonly right?: boolean;
  readonly cell: (row: KernelRow) => string;
}

/** The columns of a kernel table: wide enough for every case, so that lines can be printed while others are still measured. */
const fields: readonly Field[] = [
  { head: 'case', width: 42, cell: (row) => row.case },
  { head: 'm×n×k', width: 15, cell: ({ m, n, k }) => `${m}×${n}×${k}` },
  { head: 'zeros', width: 6, right: true, cell: (row) => percent(row.sparsity) },
  { head: 'format', width: 7, cell: (row) => row.format },
  { head: 'kernel', width: 18, cell: (row) => row.kernel.replace(/^f32_/, '') },
  { head: 'error', width: 7, right: true, cell: (row) => row.maxError.toExponential(1) },
  { head: 'ms', width: 8, right: true, cell: (row) => row.medianMs.toPrecision(3) },
  { head: '±', width: 6, right: true, cell: (row) => percent(row.spread) },
  { head: 'GFLOP/s', width: 7, right: true, cell: (row) => row.gflops.toFixed(1) },
  { head: 'as dense', width: 8, right: true, cell: (row) => row.effectiveGflops.toFixed(1) },
  { head: 'of peak', width: 7, right: true, cell: (row) => percent(row.peakFraction) },
  { head: 'efficiency', width: 10, right: true, cell: (row) => row.efficiency.toFixed(3) },
];

const line = (text: (field: Field) => string, mark = ''): string =>
  `${fields.map((field) => text(field)[field.right ? 'padStart' : 'padEnd'](field.width)).join(' ')}${mark}`.trimEnd();

/** The heads of the columns of `kernelLine`. */
export const kernelHead = line((field) => field.head);

/** One row of a bench in one line; `*` marks the fastest of its case. */
export function kernelLine(row: KernelRow): string {
  return line((field) => field.cell(row), row.best ? ' *' : '');
}

/** The ceilings and the place of a bench, in one line. */
export function benchPlace({ environment: e, ceiling }: Omit<KernelBench, 'rows'>): string {
  const limits = `ceiling ${ceiling.gflops.toFixed(1)} GFLOP/s, ${ceiling.gigabytesPerSecond.toFixed(1)} GB/s`;
  return `${e.runtime} · ${e.engine} · ${e.simd} SIMD · ${e.threads} thread · ${e.cpu} · ${limits}`;
}

function breakEvenWords({ breakEven, points }: EfficiencyCurve): string {
  if (breakEven !== null) return percent(breakEven);
  return (points.at(-1)?.speedup ?? 0) >= 1 ? `below ${percent(points[0].sparsity)}` : nothing;
}

/** Geometric means of efficiency (and speedup) by mask, format and sparsity, with the break-even of each. */
export function efficiencyTable(rows: readonly KernelRow[], width: number): string {
  // Matrices with zeros of their own have each its sparsity: no curve.
  const curves = efficiencyCurves(rows.filter(({ mask }) => mask !== 'own')), all = sparsitiesOf(curves);
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
    column('pays from', curves.map(breakEvenWords)),
    column('cases', curves.map(({ points }) => count(Math.max(...points.map((point) => point.cases))))),
  ], width);
}
