import { el, type Attributes, type Child, type Markup } from './markup.ts';

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

/** One row of a picture of panels: a name, one bar a panel, and a note at the right edge. */
export interface PanelRow {
  /** For wide and for narrow screens, see `panelNames`. */
  readonly name: string;
  readonly brief: string;
  readonly tooltip: string;
  readonly note?: string;
  /** Widths 0…1 of the bar's faint whole and of its full part, and what is written beside it. */
  readonly cells: readonly { readonly whole: number; readonly part: number; readonly value: string }[];
}

/** Where a panel begins and how long its longest bar is, in percent of the width; the rest is room for the value. */
const panels = [{ left: 28, length: 22 }, { left: 61, length: 22 }] as const;
const rowHeights = { roomy: 24, dense: 19 } as const;
/** From this many rows on they stand closer. */
const manyRows = 24;

export interface PanelHead {
  readonly text: string;
  /** Class of the bars below; the faint whole is `faint` too. */
  readonly kind: string;
}

interface PanelHeads {
  readonly heads: readonly PanelHead[];
  /** Of the notes. */
  readonly note?: string;
}

/** Most letters of a name on a wide and on a narrow screen. */
export const panelNames = { wide: 30, narrow: 13 } as const;

/** Rows with a bar in each of two panels, heads above (`note`: that of the notes); in percent of the width, so that text keeps its size. */
export function panelBars(label: string, rows: readonly PanelRow[], { heads, note }: PanelHeads): Markup {
  const height = rows.length > manyRows ? rowHeights.dense : rowHeights.roomy, top = 26, bottom = top + rows.length * height;
  const title = (text: string, place: Attributes): Markup => el('text', { class: 'panelhead', y: 14, ...place }, text);
  return picture(label, { height: bottom },
    heads.map(({ text }, i) => title(text, { x: `${panels[i].left}%` })),
    note && title(note, { 'class': 'panelhead aside', 'x': '100%', 'text-anchor': 'end' }),
    panels.map(({ left }) => el('line', { class: 'grid', x1: `${left}%`, x2: `${left}%`, y1: top - 4, y2: bottom })),
    rows.map((row, i) => panelRow(row, heads, { y: top + i * height, height })));
}

function panelRow(row: PanelRow, heads: readonly PanelHead[], { y, height }: { y: number; height: number }): Markup {
  const { name, brief, tooltip, note, cells } = row;
  const text = y + height / 2 + 4.5, thick = height - 8;
  const bar = (kind: string, left: number, width: number): Markup =>
    el('rect', { class: kind, x: `${left}%`, y: y + 4, width: `${width.toFixed(2)}%`, height: thick, rx: 2 });
  const named = (screen: string, words: string): Markup => el('text', { class: `name ${screen}`, x: 0, y: text - y }, words);
  return el('g', {},
    el('title', {}, tooltip),
    el('rect', { class: 'hit', x: 0, y, width: '100%', height }),
    // A picture of its own cuts a name that is too long for a narrow screen.
    el('svg', { class: 'clip', x: 0, y, width: `${panels[0].left - 1}%`, height }, named('wide', name), named('narrow', brief)),
    cells.map(({ whole, part, value }, i) => {
      const { left, length } = panels[i], kind = heads[i].kind;
      return [
        whole > part ? bar(`${kind} faint`, left, whole * length) : undefined,
        bar(kind, left, part * length),
        el('text', { class: 'value', x: `${(left + whole * length).toFixed(2)}%`, dx: 5, y: text }, value),
      ];
    }),
    note && el('text', { class: 'value aside', x: '100%', y: text, 'text-anchor': 'end' }, note));
}
