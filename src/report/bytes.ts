import type { Family, LayerBytes, NetworkBytes } from '../measure/bytes.ts';
import { bytes, count, times } from '../measure/words.ts';
import type { Markup } from './markup.ts';
import { card, legend, soft } from './parts.ts';
import { panelBars, panelNames, type PanelRow } from './svg.ts';
import { briefNames, withShortNames, type Column } from './words.ts';

// What zeros are worth in bytes, and how far that is from the compression ratio: an index costs something.

/** What the packings make of the weights, in a few sentences. */
export function bytesSentences({ totals, layers }: NetworkBytes): string[] {
  const { dense, smallestBytes, byteRatio, compressionRatio, formats, others } = totals;
  const rest = `All other constants take ${bytes(others)}.`;
  if (layers.every(({ packed }) => packed.length === 0)) return [`No weight is zero: dense, they take ${bytes(dense)}. ${rest}`];
  const single = Object.entries(formats).filter(([, size]) => size !== dense).map(([name, size]) => `${name} ${bytes(size)}`);
  return [
    `Dense, the weights take ${bytes(dense)}; each layer packed the smallest way, ${bytes(smallestBytes)}. That is ${times(byteRatio)} `
    + `smaller, where the compression ratio (weights over nonzero weights) is ${times(compressionRatio)}: the difference is the index.`,
    `${single.length ? `In one format, dense where it does not fit: ${single.join(', ')}. ` : ''}${rest}`,
  ];
}

const inFormat = (layer: LayerBytes, format: Exclude<Family, 'csr pairs'>, pairs = false): string => {
  const stored = layer.packed.find((one) => one.format === format && one.name.endsWith(' pairs') === pairs);
  return stored ? `${bytes(stored.bytes)}${format === 'csr' ? '' : ` (${stored.name.slice(format.length + 1)})`}` : '';
};

/** The layer table of bytes: the smallest packing of each format, with its block. */
export const bytesColumns: readonly Column<LayerBytes>[] = [
  { head: 'layer', cell: (l) => l.name, spare: 0 },
  { head: 'weights', cell: (l) => count(l.weights), right: true, spare: 6 },
  { head: 'left', cell: (l) => count(l.nonzero), right: true, spare: 7 },
  { head: 'dense', cell: (l) => bytes(l.dense), right: true, spare: 0 },
  { head: 'csr', cell: (l) => inFormat(l, 'csr'), right: true, spare: 3 },
  { head: 'csr pairs', cell: (l) => inFormat(l, 'csr', true), right: true, spare: 4 },
  { head: 'bsr', cell: (l) => inFormat(l, 'bsr'), right: true, spare: 4 },
  { head: 'nm', cell: (l) => inFormat(l, 'nm'), right: true, spare: 5 },
  { head: 'smallest', cell: (l) => l.smallest, spare: 1 },
  { head: 'bytes', cell: (l) => bytes(l.smallestBytes), right: true, spare: 0 },
  { head: 'smaller', cell: (l) => times(l.byteRatio), right: true, spare: 0 },
  { head: 'ratio', cell: (l) => times(l.compressionRatio), right: true, spare: 2 },
];

/** Bytes and weights of each layer side by side: where the second panel is shorter, the index is what makes the difference. */
export function bytesPlot(record: NetworkBytes): Markup {
  const { layers } = withShortNames(record), most = Math.max(...layers.map(({ weights }) => weights), 1);
  const names = layers.map((layer) => layer.name);
  const [wide, narrow] = [briefNames(names, panelNames.wide), briefNames(names, panelNames.narrow)];
  const rows = layers.map((layer, i): PanelRow => ({
    name: wide[i], brief: narrow[i],
    tooltip: `${layer.name}: ${bytes(layer.dense)} dense, ${bytes(layer.smallestBytes)} as ${layer.smallest}; `
      + `${count(layer.nonzero)} of ${count(layer.weights)} weights left`,
    note: layer.smallest,
    cells: [
      { whole: layer.weights / most, part: layer.smallestBytes / 4 / most, value: times(layer.byteRatio) },
      { whole: layer.weights / most, part: layer.nonzero / most, value: times(layer.compressionRatio) },
    ],
  }));
  const heads = [{ text: 'bytes', kind: 'bytes' }, { text: 'weights', kind: 'params' }];
  return panelBars('Bytes and nonzero weights of each layer, against dense', rows, { heads, note: 'smallest as' });
}

export function bytesCard(record: NetworkBytes): Markup {
  const marks = legend(['bytes', 'bytes packed'], ['bytes faint', 'saved'], ['params', 'weights left'], ['params faint', 'zero']);
  return card('What the weights take in memory', bytesSentences(record).map(soft), marks, bytesPlot(record));
}
