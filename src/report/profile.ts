import type { Profile, Share } from '../measure/profile.ts';
import { count, percent } from '../measure/words.ts';
import { el, type Markup } from './markup.ts';
import { card, legend, soft } from './parts.ts';
import { hasZeros, profileSentences, restSentence, share as shareText, workWord } from './shares.ts';
import { frame, linear, panelBars, panelNames, plot, polyline, type PanelRow } from './svg.ts';
import { briefNames, withShortNames } from './words.ts';

/** Parameters and work of each layer side by side, in execution order: the whole faint, what the zeros leave of it full. */
export function profilePlot(record: Profile): Markup {
  const profile = withShortNames(record), work = workWord(profile), zeros = hasZeros(profile);
  const most = (key: 'params' | 'work'): number => Math.max(...profile.layers.map((layer) => layer[key].total), 1);
  const [mostParams, mostWork] = [most('params'), most('work')];
  const cell = ({ total, kept, share }: Share, whole: number) =>
    ({ whole: total / whole, part: kept / whole, value: total ? shareText(share) : '' });
  const told = ({ total, kept, share }: Share, unit: string): string =>
    `${count(total)} ${unit} (${shareText(share)})${kept < total ? `, ${count(kept)} left` : ''}`;
  const names = profile.layers.map((layer) => layer.name);
  const [wide, narrow] = [briefNames(names, panelNames.wide), briefNames(names, panelNames.narrow)];
  const rows = profile.layers.map((layer, i): PanelRow => ({
    name: wide[i], brief: narrow[i],
    tooltip: `${layer.name} (${layer.op}): ${told(layer.params, 'parameters')}; ${told(layer.work, work)}`,
    note: zeros ? (layer.weights ? percent(layer.sparsity) : '') : undefined,
    cells: [cell(layer.params, mostParams), cell(layer.work, mostWork)],
  }));
  const heads = [{ text: 'parameters', kind: 'params' }, { text: work, kind: 'work' }];
  return panelBars(`Share of the parameters and of the ${work} of each layer`, rows, { heads, note: zeros ? 'zeros' : undefined });
}

/** Cumulative shares over the layers in execution order: how early the work is done and how late the parameters come. */
export function cumulativePlot(profile: Profile): Markup {
  const n = Math.max(profile.layers.length, 1), work = workWord(profile);
  const [x, y] = [linear([0, n], [frame.left, frame.right]), linear([0, 1], [frame.bottom, frame.top])];
  const step = Math.max(1, Math.ceil(n / 8)), ticks = Array.from({ length: Math.floor(n / step) + 1 }, (_, i) => i * step);
  const line = (key: 'params' | 'work'): Markup =>
    polyline(`${key}line`, [[x(0), y(0)], ...profile.layers.map((layer, i) => [x(i + 1), y(layer[key].cumulative)] as const)]);
  return plot(`Cumulative share of the parameters and of the ${work} over the layers`,
    { label: 'layers, in execution order', scale: x, ticks, write: String },
    { label: 'share up to this layer', scale: y, ticks: [0, 0.25, 0.5, 0.75, 1], write: percent },
    line('params'), line('work'),
    (['params', 'work'] as const).map((key) => profile.layers.map((layer, i) =>
      el('circle', { class: `${key} knot`, cx: x(i + 1), cy: y(layer[key].cumulative), r: n > 40 ? 2 : 3.5 },
        el('title', {}, `${layer.name}: ${percent(layer[key].cumulative)}`)))));
}

export function profileLegend(profile: Profile): Markup {
  const work = workWord(profile);
  return hasZeros(profile)
    ? legend(['params', 'parameters left'], ['params faint', 'zero'], ['work', `${work} left`], ['work faint', 'multiplied by zero'])
    : legend(['params', 'parameters'], ['work', work]);
}

export function profileCard(profile: Profile): Markup {
  const work = workWord(profile), rest = restSentence(profile, work);
  return card(`Where the parameters and the ${work} are`,
    profileSentences(withShortNames(profile)).map(soft), profileLegend(profile), profilePlot(profile), rest ? soft(rest) : undefined);
}

export function cumulativeCard(profile: Profile): Markup {
  const work = workWord(profile);
  return card('From the first layer to the last', legend(['params', 'parameters'], ['work', work]), cumulativePlot(profile),
    soft('A line that rises late is at home in the last layers. The further the two lie apart, the less do parameters say about time.'));
}
