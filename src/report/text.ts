import type { LayerReport, Report } from '../measure/record.ts';
import { number, percent, several, times } from '../measure/words.ts';
import {
  breakEvenSentence, columns, facts, headline, measuredOn, method, place, promises, provenance, withShortNames, type Column,
} from './words.ts';
import { widthOf, wrap } from './wrap.ts';

export interface TextOptions {
  /** Columns of the terminal; 100 when absent. */
  readonly width?: number;
  /** Terminal colours; off when absent. */
  readonly color?: boolean;
  /** Layers shown, the slowest ones; all when absent. */
  readonly layers?: number;
}

type Paint = (text: string) => string;
const painter = (color: boolean) => (code: number): Paint => (text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text);


function pad(text: string, width: number, right = false): string {
  const blank = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? blank + text : text + blank;
}

/** Long names lose their middle: both ends tell layers apart. */
function shorten(text: string, width: number): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  const front = Math.ceil(0.6 * (width - 1));
  return `${letters.slice(0, front).join('')}…${letters.slice(letters.length - (width - 1 - front)).join('')}`;
}

export interface TableColumn {
  readonly head: string;
  readonly cells: readonly string[];
  readonly right?: boolean;
  /** See `Column`. */
  readonly spare: number;
}

const gap = '  ';
/** A first column is not cut below this while others can go. */
const shortestName = 26;
const leastName = 12;

function fit(columns: readonly TableColumn[], width: number): readonly TableColumn[] {
  const widths = (list: readonly TableColumn[]): number =>
    list.reduce((sum, column, i) => sum + (i === 0 ? Math.min(shortestName, widest(column)) : gap.length + widest(column)), 0);
  const spare = Math.max(...columns.map((column) => column.spare));
  return widths(columns) <= width || spare === 0 ? columns : fit(columns.filter((column) => column.spare < spare), width);
}

const widest = (column: TableColumn): number => Math.max(widthOf(column.head), ...column.cells.map(widthOf));

/** An aligned table no wider than `width`: spare columns go first, then the first column is shortened. */
export function textTable(columns: readonly TableColumn[], width: number, head: Paint = (text) => text): string {
  const kept = fit(columns, width);
  const others = kept.slice(1).reduce((sum, column) => sum + gap.length + widest(column), 0);
  const widths = kept.map((column, i) => (i === 0 ? Math.min(widest(column), Math.max(leastName, width - others)) : widest(column)));
  const line = (text: (column: TableColumn) => string): string =>
    kept.map((column, i) => pad(shorten(text(column), widths[i]), widths[i], column.right)).join(gap).trimEnd();
  const rows = kept[0].cells.map((_, row) => line((column) => column.cells[row]));
  return [head(line((column) => column.head)), ...rows].join('\n');
}

function layerTable(layers: readonly LayerReport[], width: number, head: Paint): string {
  const filled = columns.map((column: Column): TableColumn => ({ ...column, cells: layers.map(column.cell) }));
  return textTable(filled.filter((column) => column.cells.some((cell) => cell !== '')), width, head);
}

function shownLayers(report: Report, limit: number): { shown: readonly LayerReport[]; note: string } {
  if (report.layers.length <= limit) return { shown: report.layers, note: '' };
  const slowest = new Set(report.layers.toSorted((a, b) => b.denseMs - a.denseMs).slice(0, limit));
  const rest = report.layers.filter((layer) => !slowest.has(layer));
  const total = (key: 'denseMs' | 'sparseMs'): string => number(rest.reduce((sum, layer) => sum + layer[key], 0));
  return {
    shown: report.layers.filter((layer) => slowest.has(layer)),
    note: `… and ${several(rest.length, 'smaller layer')}: dense ${total('denseMs')} ms, sparse ${total('sparseMs')} ms`,
  };
}

function factLines(list: ReturnType<typeof facts>, width: number): string {
  const column = (key: 'label' | 'value' | 'note', spare: number, right = false): TableColumn =>
    ({ head: '', cells: list.map((fact) => fact[key]), right, spare });
  return textTable([column('label', 0), column('value', 0, true), column('note', 1)], width).slice(1);
}

function peerLines({ peers }: Report, width: number, head: Paint): string[] {
  if (!peers?.length) return [];
  const column = (name: string, cells: string[], right = true): TableColumn => ({ head: name, cells, right, spare: 0 });
  return [textTable([
    column('other engines', peers.map((peer) => `${peer.name} ${peer.version}`), false),
    column('dense ms', peers.map((peer) => number(peer.denseMs))),
    column('sparse ms', peers.map((peer) => number(peer.sparseMs))),
    column('measured', peers.map((peer) => times(peer.denseMs / peer.sparseMs))),
  ], width, head)];
}

function curveLines(report: Report, width: number, head: Paint): string[] {
  const { curve } = report;
  if (!curve?.length) return [];
  const column = (name: string, cells: string[]): TableColumn => ({ head: name, cells, right: true, spare: 0 });
  return [textTable([
    column('zeros', curve.map((point) => percent(point.sparsity))),
    column('promised', curve.map((point) => times(point.theoretical))),
    column('measured', curve.map((point) => times(point.measured))),
  ], width, head), wrap(breakEvenSentence(report)!, width)];
}

/** The report for a terminal. */
export function reportText(record: Report, options: TextOptions = {}): string {
  const report = withShortNames(record);
  const { width = 100, color = false, layers = Infinity } = options;
  const paint = painter(color);
  const [bold, dim] = [paint(1), paint(2)];
  const { shown, note } = shownLayers(report, layers);
  return `${[
    `${bold(report.model)}\n${wrap(`${provenance(report)} ${measuredOn(report)}`, width)}`,
    bold(wrap(headline(report), width)),
    factLines(facts(report), width),
    `${dim('three ways to count the promise')}\n${factLines(promises(report), width)}`,
    `${layerTable(shown, width, dim)}${note && `\n${dim(wrap(note, width))}`}`,
    report.explanation.map((sentence) => wrap(`- ${sentence}`, width, '  ')).join('\n'),
    ...curveLines(report, width, dim),
    ...peerLines(report, width, dim),
    dim(wrap(`${place(report)}. ${method(report)}`, width)),
  ].join('\n\n')}\n`;
}
