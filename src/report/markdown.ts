import type { Report } from '../measure/record.ts';
import { ms, percent, times } from '../measure/words.ts';
import { bytesMarkdown, profileMarkdown } from './inspection-markdown.ts';
import { escape, table } from './markdown-table.ts';
import {
  breakEvenSentence, columns, facts, headline, measuredOn, method, place, promises, provenance, withShortNames, type Fact,
} from './words.ts';

const factTable = (list: readonly Fact[]): string =>
  table(['', '', ''], list.map((fact) => [fact.label, fact.value, fact.note]), (i) => i === 1);

function peerTable({ peers }: Report): string[] {
  if (!peers?.length) return [];
  const rows = peers.map((peer) =>
    [`${peer.name} ${peer.version}`, ms(peer.denseMs), ms(peer.sparseMs), times(peer.denseMs / peer.sparseMs)]);
  return ['### Other engines', table(['engine', 'dense', 'sparse', 'speedup'], rows, (i) => i > 0)];
}

function curveTable(report: Report): string[] {
  if (!report.curve?.length) return [];
  const rows = report.curve.map((point) => [percent(point.sparsity), times(point.theoretical), times(point.measured)]);
  return ['### Speedup against sparsity', breakEvenSentence(report)!, table(['zeros', 'promised', 'measured'], rows, () => true)];
}

/** The report as Markdown. */
export function reportMarkdown(record: Report): string {
  const report = withShortNames(record);
  return `${[
    `## ${escape(report.model)}`,
    `**${headline(report)}**`,
    escape(`${provenance(report)} ${measuredOn(report)}`),
    factTable(facts(report)),
    '### Three ways to count the promise',
    factTable(promises(report)),
    '### Where the difference went',
    report.explanation.map((sentence) => `- ${escape(sentence)}`).join('\n'),
    ...curveTable(report),
    ...peerTable(report),
    '### Layers',
    table(columns.map((c) => c.head), report.layers.map((l) => columns.map((c) => c.cell(l))), (i) => columns[i].right === true),
    ...(report.profile ? profileMarkdown(report.profile) : []),
    ...(report.bytes ? bytesMarkdown(report.bytes) : []),
    '### How it was measured',
    `${escape(place(report))}. ${method(report)}`,
  ].join('\n\n')}\n`;
}
