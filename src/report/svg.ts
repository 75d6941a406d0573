import { el, type Child, type Markup } from './markup.ts';

/** A picture with a name for those who do not see it; `viewBox` is left out where it is drawn in percent. */
export function picture(label: string, size: { width?: number; height: number }, ...children: Child[]): Markup {
  const { width, height } = size;
  const box = width === undefined ? { width: '100%', height } : { class: 'plot', viewBox: `0 0 ${width} ${height}` };
  return el('svg', { ...box, role: 'img', 'aria-label': label }, el('title', {}, label), ...children);
}

export type Scale = (value: number) => number;

export const linear = ([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale =>
  (value) => start + ((value - from) / (to - from)) * (end - start);

export function logarithmic(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const scale = linear([Math.log2(domain[0]), Math.log2(domain[1])], range);
  return (value) => scale(Math.log2(value));
}

/** Powers of two inside a range, at most about eight of them. */
export function powers([from, to]: readonly [number, number]): number[] {
  const [low, high] = [Math.ceil(Math.log2(from) - 1e-9), Math.floor(Math.log2(to) + 1e-9)];
  const step = Math.max(1, Math.ceil((high - low) / 8));
  const all = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  return all.filter((power) => power % step === 0).map((power) => 2 ** power);
}

export interface Axis {
  readonly label: string;
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly write: (tick: number) => string;
}

/** Where a plot's axes run, in units of its view box. */
export const frame = { width: 440, height: 440, left: 62, right: 430, top: 16, bottom: 384 } as const;

const at = (value: number): number => Math.round(value * 10) / 10;

function across(axis: Axis): Markup[] {
  return axis.ticks.flatMap((tick) => {
    const x = at(axis.scale(tick));
    return [
      el('line', { class: 'grid', x1: x, x2: x, y1: frame.top, y2: frame.bottom }),
      el('text', { class: 'tick', x, y: frame.bottom + 18, 'text-anchor': 'middle' }, axis.write(tick)),
    ];
  });
}

function up(axis: Axis): Markup[] {
  return axis.ticks.flatMap((tick) => {
    const y = at(axis.scale(tick));
    return [
      el('line', { class: 'grid', x1: frame.left, x2: frame.right, y1: y, y2: y }),
      el('text', { class: 'tick', x: frame.left - 7, y: y + 4, 'text-anchor': 'end' }, axis.write(tick)),
    ];
  });
}

/** Grid, ticks and labels of a square plot, with `children` on top. */
export function plot(label: string, x: Axis, y: Axis, ...children: Child[]): Markup {
  const middle = (frame.top + frame.bottom) / 2;
  return picture(label, frame,
    across(x), up(y),
    el('rect', { class: 'frame', x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top }),
    el('text', { class: 'label', x: (frame.left + frame.right) / 2, y: frame.bottom + 42, 'text-anchor': 'middle' }, x.label),
    el('text', { class: 'label', x: 12, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 12 ${middle})` }, y.label),
    ...children);
}

export function polyline(name: string, points: readonly (readonly [number, number])[]): Markup {
  return el('path', { class: name, d: points.map(([x, y], i) => `${i ? 'L' : 'M'}${at(x)} ${at(y)}`).join('') });
}

/** One row of a bar picture: texts above, bars below, all in percent of the width so that it fits a phone unscaled. */
export interface Row {
  readonly label: string;
  readonly value: string;
  readonly tooltip: string;
  readonly bars: readonly { readonly kind: string; readonly from: number; readonly to: number }[];
}

const thick = 9;

/** Rows of horizontal bars on a common scale; `to` and `from` are in the unit of `most`. */
export function bars(label: string, rows: readonly Row[], most: number): Markup {
  const percent = (value: number): string => `${((100 * value) / most).toFixed(2)}%`;
  const heights = rows.map((row) => 20 + row.bars.length * (thick + 2) + 12);
  let y = 0;
  const drawn = rows.map((row, i) => {
    const top = y;
    y += heights[i];
    return el('g', {},
      el('title', {}, row.tooltip),
      el('rect', { class: 'hit', x: 0, y: top, width: '100%', height: heights[i] }),
      el('text', { class: 'name', x: 0, y: top + 14 }, row.label),
      el('text', { class: 'value', x: '100%', y: top + 14, 'text-anchor': 'end' }, row.value),
      row.bars.map(({ kind, from, to }, j) => el('rect', {
        class: kind, x: percent(Math.min(from, to)), width: percent(Math.abs(to - from)),
        y: top + 20 + j * (thick + 2), height: thick, rx: 2,
      })));
  });
  return picture(label, { height: y }, drawn);
}
