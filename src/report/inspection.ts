import type { NetworkBytes } from '../measure/bytes.ts';
import type { Profile } from '../measure/profile.ts';
import { count } from '../measure/words.ts';
import { bytesCard, bytesColumns, bytesPlot } from './bytes.ts';
import { el, Markup, type Child } from './markup.ts';
import { card, pageOf, pair, right, soft, table, type Cell } from './parts.ts';
import { cumulativeCard, profileCard, profilePlot } from './profile.ts';
import { countRows, hasZeros, profileColumns } from './shares.ts';
import { pictureStyle } from './style.ts';
import type { Of } from './words.ts';

/** What was asked of a network: any part may be missing. */
export interface Views {
  readonly model: string;
  readonly profile?: Profile;
  readonly bytes?: NetworkBytes;
}

function layerTable<Layer>(title: string, layers: readonly Layer[], columns: Of<Layer>): Markup {
  const name = (right?: boolean): string | undefined => (right ? 'right' : undefined);
  return el('section', { class: 'card' }, el('details', {}, el('summary', {}, title), table(
    columns.map((column) => ({ text: column.head, name: name(column.right) })),
    layers.map((layer) => columns.map((column) => ({ text: column.cell(layer), name: name(column.right) }))))));
}

function countsCard(profile: Profile): Markup {
  const zeros = hasZeros(profile);
  const ofZeros = (...cells: string[]): Cell[] => (zeros ? cells.map(right) : []);
  const heads = [{ text: 'convention' }, right('operations'), ...ofZeros('left', 'speedup'), { text: 'what is counted' }];
  const rows = countRows(profile).map(({ name, total, left, speedup, about }) =>
    [{ text: name }, right(total), ...ofZeros(left, speedup), { text: about, name: 'wrap' }]);
  return card('One network, many counts', table(heads, rows),
    soft(`This page counts by ${profile.convention}. Parameters include biases, γ and β: ${count(profile.params.total)}.`));
}

function profileSection(profile: Profile): Child {
  return [
    profileCard(profile), pair(cumulativeCard(profile), countsCard(profile)),
    layerTable(`All ${profile.layers.length} layers in numbers`, profile.layers, profileColumns(profile)),
  ];
}

/** One self-contained page. */
export function inspectionHtml({ model, profile, bytes }: Views): string {
  return pageOf({ title: model, about: 'where its parameters and its work are' },
    profile && profileSection(profile),
    bytes && [bytesCard(bytes), layerTable('Bytes of each layer in numbers', bytes.layers, bytesColumns)]);
}

/** A picture file: the plots below each other, `width` pixels wide, in a light colour scheme on white. */
export function inspectionSvg({ model, profile, bytes }: Views, width = 900): string {
  const plots = [profile && profilePlot(profile), bytes && bytesPlot(bytes)].filter((one) => one !== undefined);
  const margin = 20, title = 34, pruned = (profile && hasZeros(profile)) || bytes?.layers.some((layer) => layer.packed.length > 0);
  let y = margin + title;
  const placed = plots.map((plot) => {
    const height = Number(/ height="([\d.]+)"/.exec(plot.text)![1]);
    const inner = new Markup(plot.text.replace(' width="100%"', ` x="${margin}" y="${y}" width="${width - 2 * margin}"`));
    y += height + margin;
    return inner;
  });
  const picture = el('svg', { xmlns: 'http://www.w3.org/2000/svg', width, height: y, viewBox: `0 0 ${width} ${y}` },
    el('style', {}, new Markup(pictureStyle)),
    el('rect', { fill: '#ffffff', width, height: y }),
    el('text', { 'x': margin, 'y': margin + 12, 'style': 'font-size: 16px; font-weight: 650' }, model),
    pruned
      ? el('text', { 'class': 'value', 'x': width - margin, 'y': margin + 12, 'text-anchor': 'end' }, 'full: left; faint: zero, saved')
      : undefined,
    placed);
  return `${picture.text}\n`;
}
