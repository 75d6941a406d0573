import type { NetworkBytes } from '../measure/bytes.ts';
import type { LayerProfile, Profile } from '../measure/profile.ts';
import { percent } from '../measure/words.ts';
import { bytesColumns, bytesSentences } from './bytes.ts';
import { hasZeros, profileSentences, restSentence, share, workWord } from './shares.ts';
import { textTable, type TableColumn } from './text.ts';
import { briefNames, withShortNames } from './words.ts';
import { wrap } from './wrap.ts';

/** One to seven eighths of a column of the terminal. */
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar `width` columns long at most: what is left in full, what is zero faint. `part` ≤ `whole`, both 0…1. */
export function textBar(whole: number, part: number, width: number): string {
  const steps = part > 0 ? Math.max(1, Math.round(part * width * 8)) : 0;
  const full = '█'.repeat(Math.floor(steps / 8)) + eighths[steps % 8];
  return full + '░'.repeat(part < whole ? Math.max(0, Math.round(whole * width) - [...full].length) : 0);
}

const [leastBar, mostBar, nameWidth] = [6, 32, 26];

/** Columns for each of two bars, where `width` is shared with names of `longest`, two shares and the zeros. */
function barWidth(width: number, longest: number, zeros: boolean): number {
  const others = Math.min(longest, nameWidth) + 2 * 8 + (zeros ? 8 : 0);
  return Math.min(mostBar, Math.max(leastBar, Math.floor((width - others) / 2) - 2));
}

/** A profile for a terminal: sentences, then a line a layer with a bar for its parameters and one for its work. */
export function profileText(record: Profile, width: number): string {
  const profile = withShortNames(record), { layers } = profile, zeros = hasZeros(profile), work = workWord(profile);
  const size = barWidth(width, Math.max(...layers.map(({ name }) => name.length), 5), zeros);
  const column = (head: string, cell: (layer: LayerProfile) => string, right = true): TableColumn =>
    ({ head, cells: layers.map(cell), right, spare: 0 });
  const bars = (key: 'params' | 'work'): ((layer: LayerProfile) => string) => {
    const most = Math.max(...layers.map((layer) => layer[key].total), 1);
    return (layer) => textBar(layer[key].total / most, layer[key].kept / most, size).padEnd(size);
  };
  const table = textTable([
    { head: 'layer', cells: briefNames(layers.map(({ name }) => name), nameWidth), spare: 0 },
    column('parameters', bars('params'), false), column('', ({ params }) => (params.total ? share(params.share) : '')),
    column(work.slice(0, Math.max(size, 4)), bars('work'), false), column('', (layer) => share(layer.work.share)),
    ...(zeros ? [column('zeros', ({ weights, sparsity }) => (weights ? percent(sparsity) : ''))] : []),
  ], width);
  const rest = restSentence(profile, work);
  const marks = zeros ? '█ left, ░ zero' : '';
  return [profileSentences(profile).map((sentence) => wrap(sentence, width)).join('\n'), [table, marks].filter(Boolean).join('\n'),
    ...(rest ? [wrap(rest, width)] : [])].filter(Boolean).join('\n\n');
}

/** Bytes for a terminal. */
export function bytesText(record: NetworkBytes, width: number): string {
  const { layers } = withShortNames(record);
  const columns = bytesColumns.map((column): TableColumn => ({ ...column, cells: layers.map(column.cell) }));
  const filled = columns.filter(({ cells }, i) => i === 0 || cells.some((cell) => cell !== ''));
  return `${bytesSentences(record).map((sentence) => wrap(sentence, width)).join('\n')}\n\n${textTable(filled, width)}`;
}
