import { sparsitiesOf, type EfficiencyCurve } from '../measure/efficiency.ts';
import type { KernelTiming, KernelTimings } from '../measure/kernels.ts';
import { count, nothing, percent, several, times } from '../measure/words.ts';
import { bestCurves, benchPlace, breakEvenWords, curvesOf, identityWords, winners } from './kernels.ts';
import { el, type Markup } from './markup.ts';
import { card, legend, pageOf, pair, right, soft, table, type Cell } from './parts.ts';
import { frame, logarithmic, plot, polyline, powers } from './svg.ts';

// A kernel bench as a page: theoretical speedup against measured, pattern by pattern.

const COLOURS = 8;
const colour = (i: number): string => `format${i % COLOURS}`;

/** A line for each mask: what its fastest format measures, over what its zeros promise. */
export function patternPlot(curves: readonly EfficiencyCurve[]): Markup {
  const best = bestCurves(curves), promised = (sparsity: number): number => 1 / (1 - sparsity);
  const points = best.flatMap((one) => one.points), values = points.flatMap(({ sparsity, speedup }) => [promised(sparsity), speedup]);
  const domain = [Math.min(0.8, ...values) / 1.15, Math.max(2, ...values) * 1.2] as const;
  const [x, y] = [logarithmic(domain, [frame.left, frame.right]), logarithmic(domain, [frame.bottom, frame.top])];
  const ticks = powers(domain), write = (tick: number): string => `${tick}×`;
  return plot('Measured against promised speedup of each pattern',
    { label: 'promised speedup of the pattern', scale: x, ticks, write },
    { label: 'measured speedup over the best dense kernel', scale: y, ticks, write },
    el('line', { class: 'promise', x1: x(domain[0]), y1: y(domain[0]), x2: x(domain[1]), y2: y(domain[1]) }),
    el('line', { class: 'even', x1: frame.left, x2: frame.right, y1: y(1), y2: y(1) }),
    best.map(({ mask, points: own }, i) => [
      el('g', { class: `line ${colour(i)}` }, polyline('', own.map(({ sparsity, speedup }) => [x(promised(sparsity)), y(speedup)]))),
      own.map(({ sparsity, speedup, format, efficiency }) => {
        const tip = `${mask}, ${percent(sparsity)} zeros as ${format}: measured ${times(speedup)}, ${percent(efficiency)} of the promise`;
        return el('circle', { class: `dot ${colour(i)}`, cx: x(promised(sparsity)), cy: y(speedup), r: 5 }, el('title', {}, tip));
      }),
    ]));
}

function patternCard(curves: readonly EfficiencyCurve[]): Markup {
  return card('Pattern by pattern: promised and measured',
    legend(...bestCurves(curves).map(({ mask }, i) => [colour(i), mask] as const)), patternPlot(curves),
    soft('One line a pattern, its fastest format at each share of zeros, over all layers measured. On the diagonal it gives all that its '
      + 'zeros promise; below the dashed line dense kernels are faster.'));
}

function headlineOf(curves: readonly EfficiencyCurve[]): string {
  if (!curves.length) return 'No sparse kernel was measured.';
  const best = bestCurves(curves), pays = best.filter(({ points }) => points.at(-1)!.speedup >= 1).length;
  if (!pays) return 'The best dense kernel beats every pattern of zeros here.';
  return `${pays} of ${several(best.length, 'pattern')} of zeros ${pays === 1 ? 'beats' : 'beat'} the best dense kernel here.`;
}

/** What became of each pattern, at its least and at its most zeros. */
function verdictCard(curves: readonly EfficiencyCurve[]): Markup {
  const rows = bestCurves(curves).flatMap(({ mask, points }) => [...new Set([points[0], points.at(-1)!])].map((point) => [
    { text: mask }, right(percent(point.sparsity)), { text: point.format }, right(times(1 / (1 - point.sparsity))),
    right(times(point.speedup)),
  ]));
  const heads = [{ text: 'pattern' }, right('zeros'), { text: 'best as' }, right('promised'), right('measured')];
  return card('Where zeros pay', winners(curves).map(soft), table(heads, rows));
}

function efficiencyCard(curves: readonly EfficiencyCurve[]): Markup {
  const all = sparsitiesOf(curves), same = curves.some((curve) => identityWords(curve) !== nothing);
  const heads = [
    { text: 'pattern' }, { text: 'format' }, ...all.map((sparsity) => right(percent(sparsity))), ...(same ? [right('identity')] : []),
    right('pays from'), right('cases'),
  ];
  const cell = (curve: EfficiencyCurve, sparsity: number): Cell => {
    const point = curve.points.find((one) => one.sparsity === sparsity);
    return right(point ? `${point.efficiency.toFixed(2)} (${times(point.speedup)})` : '');
  };
  const rows = curves.map((curve) => [
    { text: curve.mask }, { text: curve.format }, ...all.map((sparsity) => cell(curve, sparsity)),
    ...(same ? [right(identityWords(curve))] : []), right(breakEvenWords(curve)),
    right(count(Math.max(...curve.points.map(({ cases }) => cases)))),
  ]);
  const identity = 'identity: of the speed of the same kernel with every position stored, which leaves out what the kernel itself costs.';
  return card('Efficiency, and speedup over the best dense kernel', table(heads, rows),
    soft(`Columns are shares of zeros; geometric means over the layers${same ? `; ${identity}` : '.'}`));
}

/** The rows of a bench, every one. */
function rowsCard(rows: readonly KernelTiming[]): Markup {
  const peak = rows.some(({ peakFraction }) => peakFraction !== undefined), same = rows.some(({ ofIdentity }) => ofIdentity !== undefined);
  const heads = ['case', 'm×n×k', 'zeros', 'format', 'kernel', 'ms', '±', 'GFLOP/s', 'as dense', ...(peak ? ['of peak'] : []), 'efficiency',
    ...(same ? ['identity'] : [])];
  const cells = rows.map((row) => [
    row.case, `${row.m}×${row.n}×${row.k}`, percent(row.sparsity), row.format, `${row.kernel}${row.best ? ' *' : ''}`,
    row.medianMs.toPrecision(3), percent(row.spread), row.gflops.toFixed(1), row.effectiveGflops.toFixed(1),
    ...(peak ? [percent(row.peakFraction)] : []), row.efficiency.toFixed(3), ...(same ? [row.ofIdentity?.toFixed(3) ?? nothing] : []),
  ]);
  const words = new Set(['case', 'format', 'kernel']);
  const shown = (text: string, i: number): Cell => (words.has(heads[i]) ? { text } : right(text));
  const title = `All ${rows.length} measurements (* the fastest of its case)`;
  const numbers = table(heads.map(shown), cells.map((row) => row.map(shown)));
  return el('section', { class: 'card' }, el('details', {}, el('summary', {}, title), numbers));
}

/** One self-contained page of a kernel bench. */
export function kernelsPage(bench: KernelTimings): string {
  const curves = curvesOf(bench.rows), { adapter } = bench.environment;
  const title = 'What patterns of zeros are worth', about = adapter ? `WebGPU on ${adapter}` : 'WebAssembly';
  return pageOf({ title, about }, soft(benchPlace(bench)),
    el('p', { class: 'headline' }, headlineOf(curves)),
    curves.length ? [pair(patternCard(curves), verdictCard(curves)), efficiencyCard(curves)] : undefined, rowsCard(bench.rows));
}
