import type { NetworkBytes } from '../measure/bytes.ts';
import type { Profile } from '../measure/profile.ts';
import { bytesColumns, bytesSentences } from './bytes.ts';
import type { Views } from './inspection.ts';
import { escape, table } from './markdown-table.ts';
import { countRows, profileColumns, profileSentences, restSentence, workWord } from './shares.ts';
import { withShortNames, type Of } from './words.ts';

function markdownOf<Layer>(layers: readonly Layer[], columns: Of<Layer>): string {
  return table(columns.map((column) => column.head), layers.map((layer) => columns.map((column) => column.cell(layer))),
    (i) => columns[i].right === true);
}

/** Sections of Markdown: what the plots say in words and tables. */
export function profileMarkdown(record: Profile): string[] {
  const profile = withShortNames(record), work = workWord(profile), rest = restSentence(profile, work);
  return [
    `### Where the parameters and the ${work} are`,
    [...profileSentences(profile), ...(rest ? [rest] : [])].map(escape).join(' '),
    markdownOf(profile.layers, profileColumns(profile)),
  ];
}

function countsMarkdown(profile: Profile): string[] {
  const rows = countRows(profile).map(({ name, total, left, speedup, about }) => [name, total, left, speedup, about]);
  const heads = ['convention', 'operations', 'left', 'speedup', 'what is counted'];
  return ['### One network, many counts', table(heads, rows, (i) => i > 0 && i < 4)];
}

export function bytesMarkdown(record: NetworkBytes): string[] {
  return [
    '### What the weights take in memory',
    bytesSentences(record).map(escape).join(' '),
    markdownOf(withShortNames(record).layers, bytesColumns),
  ];
}

export function inspectionMarkdown({ model, profile, bytes }: Views): string {
  const where = profile ? [...profileMarkdown(profile), ...countsMarkdown(profile)] : [];
  const sections = [`## ${escape(model)}`, ...where, ...(bytes ? bytesMarkdown(bytes) : [])];
  return `${sections.join('\n\n')}\n`;
}
