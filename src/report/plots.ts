import { negligible, promisedMs } from '../measure/explain.ts';
import type { LayerReport, Report } from '../measure/record.ts';
import { ms, number, percent, times } from '../measure/words.ts';
import { el, type Markup } from './markup.ts';
import { bars, frame, linear, logarithmic, plot, polyline, powers, type Row, type Scale } from './svg.ts';
import { causeOf, hasWeights, short } from './words.ts';

const acrossRange = [frame.left, frame.right] as const;
const upRange = [frame.bottom, frame.top] as const;

interface Dot {
  readonly layer: LayerReport;
  readonly promised: number;
  readonly measured: number;
}

function dotsOf(layers: readonly LayerReport[]): Dot[] {
  return layers.flatMap((layer) => {
    const { theoreticalSpeedup: promised, measuredSpeedup: measured } = layer;
    return hasWeights(layer) && promised && measured ? [{ layer, promised, measured }] : [];
  });
}

/** A range around values that holds 1, with a little air. */
function around(values: readonly number[]): [number, number] {
  return [Math.min(0.8, ...values) / 1.15, Math.max(2, ...values) * 1.2];
}

/** Formats present, in the order of their colours; dense has a colour of its own. */
export function formatsIn(layers: readonly LayerReport[]): string[] {
  return [...new Set(layers.filter(hasWeights).map((layer) => layer.format))].toSorted();
}

const colours = 5;
export function formatClass(format: string, formats: readonly string[]): string {
  return format === 'dense' ? 'dense' : `format${formats.filter((name) => name !== 'dense').indexOf(format) % colours}`;
}

/** The area of a dot is the dense time of its layer. */
const radius = (layer: LayerReport, most: number): number => 3 + 11 * Math.sqrt(layer.denseMs / most);

interface DotStyle {
  readonly x: Scale;
  readonly y: Scale;
  /** Dense time of the largest dot. */
  readonly most: number;
  readonly formats: readonly string[];
}

function dot({ layer, promised, measured }: Dot, { x, y, most, formats }: DotStyle): Markup {
  const tip = `${layer.name} (${layer.op}, ${layer.format}): promised ${times(promised)}, measured ${times(measured)}, `
    + `${ms(layer.denseMs)} dense, ${ms(layer.sparseMs)} sparse`;
  const place = { cx: x(promised), cy: y(measured), r: radius(layer, most) };
  return el('circle', { class: `dot ${formatClass(layer.format, formats)}`, ...place }, el('title', {}, tip));
}

interface NotePlace {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'end';
  /** Degrees, clockwise. */
  readonly turn?: number;
}

function note(text: string, { x, y, anchor, turn }: NotePlace): Markup {
  const transform = turn === undefined ? undefined : `rotate(${turn} ${x.toFixed(1)} ${y.toFixed(1)})`;
  return el('text', { class: 'note', x, y, 'text-anchor': anchor, transform }, text);
}

/** Every layer with weights: measured speedup over promised speedup, both logarithmic on one scale, so that y = x is the diagonal. */
export function layerPlot({ layers }: Report): Markup {
  const dots = dotsOf(layers).toSorted((a, b) => b.layer.denseMs - a.layer.denseMs);
  const formats = formatsIn(layers);
  const domain = around(dots.flatMap((d) => [d.promised, d.measured]));
  const [x, y] = [logarithmic(domain, acrossRange), logarithmic(domain, upRange)];
  const ticks = powers(domain);
  const [corner, most] = [domain[1] / 1.35, Math.max(...dots.map((d) => d.layer.denseMs), 0)];
  return plot('Measured against promised speedup of each layer',
    { label: 'promised speedup of the layer', scale: x, ticks, write: (t) => `${t}×` },
    { label: 'measured speedup of the layer', scale: y, ticks, write: (t) => `${t}×` },
    el('line', { class: 'promise', x1: x(domain[0]), y1: y(domain[0]), x2: x(domain[1]), y2: y(domain[1]) }),
    note('y = x: promise kept', { x: x(corner) - 6, y: y(corner) - 6, anchor: 'end', turn: -45 }),
    el('line', { class: 'even', x1: frame.left, x2: frame.right, y1: y(1), y2: y(1) }),
    note('below this line: slower than dense', { x: frame.right - 5, y: y(1) + 15, anchor: 'end' }),
    dots.map((d) => dot(d, { x, y, most, formats })));
}

/** Speedup over sparsity, promised and measured. */
export function curvePlot({ curve = [], breakEven }: Report): Markup {
  const finite = (key: 'theoretical' | 'measured') => curve.flatMap((p) => (p[key] ? [[p.sparsity, p[key]] as const] : []));
  const [promised, measured] = [finite('theoretical'), finite('measured')];
  const domain = around([...promised, ...measured].map(([, v]) => v));
  const [x, y] = [linear([0, 1], acrossRange), logarithmic(domain, upRange)];
  const line = (name: string, points: readonly (readonly [number, number])[]): Markup =>
    polyline(name, points.map(([s, v]) => [x(s), y(v)]));
  const even = typeof breakEven === 'number' ? x(breakEven) : undefined;
  const left = (even ?? 0) < (frame.left + frame.right) / 2;
  return plot('Speedup against the share of zeros',
    { label: 'zeros among the weights', scale: x, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], write: percent },
    { label: 'speedup over dense', scale: y, ticks: powers(domain), write: (t) => `${t}×` },
    el('line', { class: 'even', x1: frame.left, x2: frame.right, y1: y(1), y2: y(1) }),
    even === undefined ? undefined : [
      el('line', { class: 'breakeven', x1: even, x2: even, y1: frame.top, y2: frame.bottom }),
      note(`break-even ${percent(breakEven)}`, { x: even + (left ? 6 : -6), y: frame.bottom - 10, anchor: left ? 'start' : 'end' }),
    ],
    line('promisedline', promised), line('measuredline', measured),
    measured.map(([s, v]) =>
      el('circle', { class: 'measureddot', cx: x(s), cy: y(v), r: 4.5 }, el('title', {}, `${percent(s)} zeros: measured ${times(v)}`))));
}

/** Rows of the slowest layers, and of the kinds that the others are gathered in. */
const [shownLayers, shownKinds] = [10, 6];

const kindOf = (layer: LayerReport): string => (hasWeights(layer) ? `${layer.op}, ${layer.format}` : layer.op);
const total = (layers: readonly LayerReport[], key: 'denseMs' | 'sparseMs'): number => layers.reduce((sum, layer) => sum + layer[key], 0);

/** Layers by kind, the kind that takes the most time first; kinds beyond `shownKinds` are one. */
function gather(layers: readonly LayerReport[]): (readonly [kind: string, layers: LayerReport[]])[] {
  const kinds = new Map<string, LayerReport[]>();
  for (const layer of layers) kinds.set(kindOf(layer), [...(kinds.get(kindOf(layer)) ?? []), layer]);
  const sorted = [...kinds].toSorted(([, a], [, b]) => total(b, 'denseMs') - total(a, 'denseMs'));
  if (sorted.length <= shownKinds) return sorted;
  return [...sorted.slice(0, shownKinds - 1), ['of other kinds', sorted.slice(shownKinds - 1).flatMap(([, list]) => list)]];
}

function timeRow(label: string, tooltip: string, layers: readonly LayerReport[]): Row {
  const [denseMs, sparseMs] = [total(layers, 'denseMs'), total(layers, 'sparseMs')];
  return {
    label, tooltip: `${tooltip}: dense ${ms(denseMs)}, sparse ${ms(sparseMs)}`, value: `${number(denseMs)} → ${ms(sparseMs)}`,
    bars: [{ kind: 'dense', from: 0, to: denseMs }, { kind: 'sparse', from: 0, to: sparseMs }],
  };
}

/** Dense and sparse time of the slowest layers, and of the others by kind. */
export function layerBars({ layers }: Report): Markup {
  const sorted = layers.toSorted((a, b) => b.denseMs - a.denseMs);
  const large = sorted.slice(0, shownLayers)
    .map((layer) => timeRow(short(layer.name), `${layer.name} (${kindOf(layer)})`, [layer]));
  const small = gather(sorted.slice(shownLayers)).map(([kind, list]) => {
    const label = `${list.length} more ${kind}`;
    return timeRow(label, `${label}, together`, list);
  });
  const rows = [...large, ...small];
  return bars('Time of each layer, dense and sparse', rows, Math.max(...rows.flatMap((r) => r.bars.map((bar) => bar.to)), 1e-9));
}

/** From the dense time over the promised to the measured one, cause by cause. */
export function lossBars(report: Report): Markup {
  const { totals, losses } = report;
  const promised = promisedMs(totals);
  const large = losses.filter((loss) => Math.abs(loss.ms) >= negligible * totals.denseMs).toSorted((a, b) => b.ms - a.ms);
  const single = (label: string, kind: string, time: number): Row =>
    ({ label, value: ms(time), tooltip: `${label}: ${ms(time)}`, bars: [{ kind, from: 0, to: time }] });
  let reached = promised;
  const steps = large.map(({ cause, ms: lost }): Row => {
    const from = reached;
    reached += lost;
    const value = `${lost < 0 ? '−' : '+'}${ms(Math.abs(lost))}`;
    const bar = { kind: lost < 0 ? 'gain' : 'loss', from, to: reached };
    const label = causeOf(cause, report.environment);
    return { label, value, tooltip: `${label}: ${value}`, bars: [bar] };
  });
  const rows = [
    single('Dense', 'dense', totals.denseMs), single('Sparse, as promised', 'promised', promised),
    ...steps, single('Sparse, as measured', 'sparse', totals.sparseMs),
  ];
  const most = Math.max(...rows.flatMap((r) => r.bars.flatMap((bar) => [bar.from, bar.to])));
  return bars('From the promised to the measured time', rows, most);
}

/** Promised and measured speedup of several models. */
export function modelBars(reports: readonly Report[]): Markup {
  const rows = reports.map(({ model, totals }): Row => {
    const [promised, measured] = [totals.theoreticalSpeedup.masked ?? 0, totals.measuredSpeedup ?? 0];
    const value = `${times(promised)} → ${times(measured)}`;
    return {
      label: short(model, 36), value, tooltip: `${model}: promised ${times(promised)}, measured ${times(measured)}`,
      bars: [{ kind: 'promised', from: 0, to: promised }, { kind: 'sparse', from: 0, to: measured }],
    };
  });
  return bars('Promised and measured speedup of each model', rows, Math.max(...rows.flatMap((r) => r.bars.map((bar) => bar.to)), 1));
}
