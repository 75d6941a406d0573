import type { Report } from '../measure/record.ts';
import { ms, times } from '../measure/words.ts';
import { el, type Child, type Markup } from './markup.ts';
import { card, legend, pageOf, pair, right, soft, table, tied, type Cell } from './parts.ts';
import { bytesCard } from './bytes.ts';
import { curvePlot, formatClass, formatsIn, layerBars, layerPlot, lossBars, modelBars } from './plots.ts';
import { profileCard } from './profile.ts';
import {
  breakEvenSentence, columns, facts, headline, measuredOn, method, place, primer, promises, provenance, withShortNames,
} from './words.ts';

function factGrid(report: Report): Markup {
  return el('dl', { class: 'facts' }, facts(report).map(({ label, value, note }) =>
    el('div', {}, el('dt', {}, label), el('dd', { class: 'big' }, tied(value)), el('dd', { class: 'soft' }, tied(note)))));
}

function promiseCard(report: Report): Markup {
  const rows = promises(report).map(({ label, value, note }) => [{ text: label }, right(value), { text: note, name: 'wrap' }]);
  return card('Three ways to count the promise', table([{ text: 'counted' }, right('speedup'), { text: 'meaning' }], rows));
}

function peerCard({ peers = [], totals }: Report): Markup {
  const row = (name: string, dense: number, sparse: number): Cell[] =>
    [{ text: name }, right(ms(dense)), right(ms(sparse)), right(times(dense / sparse))];
  const rows = [row('Burin', totals.denseMs, totals.sparseMs), ...peers.map((p) => row(`${p.name} ${p.version}`, p.denseMs, p.sparseMs))];
  return card('Beside other engines', table([{ text: 'engine' }, right('dense'), right('sparse'), right('speedup')], rows));
}

function layerCard(report: Report): Markup {
  const formats = formatsIn(report.layers);
  return card('Layer by layer: promised and measured',
    legend(...formats.map((format) => [formatClass(format, formats), format] as const)),
    layerPlot(report),
    soft('One dot a layer; the larger, the more time it takes. On the diagonal a layer gives all that its zeros promise.'));
}

function timeCard(report: Report): Markup {
  return card('Where the time goes', legend(['dense', 'dense'], ['sparse', 'sparse']), layerBars(report));
}

function curveCard(report: Report): Markup {
  const marks = legend(['dense', 'promised'], ['sparse', 'measured']);
  return card('More zeros, more speed?', marks, curvePlot(report), soft(breakEvenSentence(report) ?? ''));
}

function layerTable({ layers }: Report): Markup {
  const heads = columns.map((c) => ({ text: c.head, name: c.right ? 'right' : undefined }));
  const rows = layers.map((layer) => columns.map((c) => ({ text: c.cell(layer), name: c.right ? 'right' : undefined })));
  const title = layers.length === 1 ? 'The layer in numbers' : `All ${layers.length} layers in numbers`;
  return el('section', { class: 'card' }, el('details', {}, el('summary', {}, title), table(heads, rows)));
}

function reportSection(report: Report, i: number): Markup {
  const why = el('ul', { class: 'why' }, report.explanation.map((sentence) => el('li', {}, tied(sentence))));
  return el('article', { class: 'report', id: `model-${i + 1}` },
    el('h2', {}, report.model), soft(`${provenance(report)} ${measuredOn(report)}`),
    el('p', { class: 'headline' }, tied(headline(report))),
    factGrid(report),
    pair(card('From the promise to the clock', lossBars(report)), card('Why they differ', why)),
    report.curve?.length
      ? [pair(layerCard(report), curveCard(report)), timeCard(report)]
      : pair(layerCard(report), timeCard(report)),
    report.profile && profileCard(report.profile),
    report.bytes && bytesCard(report.bytes),
    report.peers?.length ? pair(promiseCard(report), peerCard(report)) : promiseCard(report),
    layerTable(report),
    card('How it was measured', soft(place(report)), soft(method(report))));
}

function overview(reports: readonly Report[]): Child {
  if (reports.length < 2) return undefined;
  const marks = legend(['promised', 'promised speedup'], ['sparse', 'measured speedup']);
  const links = reports.map((report, i) => [i ? ' · ' : '', el('a', { href: `#model-${i + 1}` }, report.model)]);
  return card(`${reports.length} models at a glance`, marks, modelBars(reports), el('p', { class: 'soft' }, 'Go to: ', links));
}

/** One self-contained page with the reports of one or more models: no script, nothing loaded from elsewhere. */
export function htmlPage(reports: readonly Report[]): string {
  const title = reports.length === 1 ? 'What the mask is worth' : 'What the masks are worth';
  const about = reports.map((report) => report.model).join(', ');
  return pageOf({ title, about }, soft(primer), overview(reports), reports.map(withShortNames).map(reportSection));
}
