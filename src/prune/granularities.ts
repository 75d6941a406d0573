import { expect, fail, lookUp, show } from '../expect.ts';
import type { Oihw } from '../graph/layers.ts';

/** How many weights one group spans along O, I, KH and KW. `Infinity`: the whole axis. */
export type Extents = Oihw;

const all = Infinity;

/** `R` and `C` are the numbers in the name: block(4,1) has R = 4, C = 1. */
type Extent = number | 'R' | 'C';
type Row = readonly [O: Extent, I: Extent, H: Extent, W: Extent];

/**
 * A group lives or dies as one. Names after fasterai; what one group spans along O, I, KH, KW of a weight [O, I, KH, KW].
 * A linear layer is [O, I, 1, 1]; {@link linear} has the names that mean something else there. In a convolution with groups, I counts
 * the input channels of one group.
 */
export const granularities = {
  weight: [1, 1, 1, 1],
  /** The same position in all filters. */
  shared_weight: [all, 1, 1, 1],
  /** A vector across the input channels. */
  channel: [1, all, 1, 1],
  column: [1, 1, all, 1],
  row: [1, 1, 1, all],
  kernel: [1, 1, all, all],
  /** All weights of one output channel. */
  filter: [1, all, all, all],
  shared_channel: [all, all, 1, 1],
  shared_column: [all, 1, all, 1],
  shared_row: [all, 1, 1, all],
  vertical_slice: [1, all, all, 1],
  horizontal_slice: [1, all, 1, all],
  shared_vertical_slice: [all, all, all, 1],
  shared_horizontal_slice: [all, all, 1, all],
  /** All weights that read one input channel. */
  shared_kernel: [all, 1, all, all],
  layer: [all, all, all, all],
  /** R outputs × C inputs at one position of the window. */
  block: ['R', 'C', 1, 1],
  /** R outputs × C inputs, whole windows. */
  block_kernels: ['R', 'C', all, all],
  /** R consecutive outputs at one (i, kh, kw): what R × 1 BSR runs fastest. */
  block_rows: ['R', 1, 1, 1],
} as const satisfies Record<string, Row>;

/** A row of {@link granularities}. */
export type GranularityName = keyof typeof granularities;

/** What goes as one, in words. */
export const meanings = {
  weight: 'one weight',
  shared_weight: 'the same position in all filters',
  channel: 'a vector across the input channels; also called vector',
  column: 'a column of a window; in a linear layer all weights that read one input',
  row: 'a row of a window; in a linear layer all weights of one output',
  kernel: 'one window, all weights between an input and an output channel',
  filter: 'all weights of one output channel',
  shared_channel: 'one position of the window, of all channels',
  shared_column: 'a column of the windows of one input channel in all filters',
  shared_row: 'a row of the windows of one input channel in all filters',
  vertical_slice: 'a column of all windows of one filter',
  horizontal_slice: 'a row of all windows of one filter',
  shared_vertical_slice: 'a column of all windows',
  shared_horizontal_slice: 'a row of all windows',
  shared_kernel: 'all weights that read one input channel',
  layer: 'the whole layer',
  block: 'R outputs × C inputs at one position of the window',
  block_kernels: 'R outputs × C inputs, whole windows',
  block_rows: 'R consecutive outputs at one input and position: what R × 1 BSR runs fastest',
} satisfies Record<GranularityName, string>;

/** The article's word for what lies along one axis; alone it is the vector along the input channels. */
const aliases: Readonly<Record<string, GranularityName>> = { vector: 'channel' };

/** Names that fasterai uses otherwise for linear layers: the rows and columns of the matrix [O, I]. */
const linear: Readonly<Record<string, Row>> = {
  /** All weights of one output neuron. */
  row: [1, all, all, all],
  /** All weights that read one input feature. */
  column: [all, 1, all, all],
};

/**
 * A name of the table, with its numbers where it has some, `filter`, `block(4,1)` or `block:4x1`, `block_rows(8)`; `vector` for
 * `channel`; or the extents [O, I, KH, KW].
 */
export type Granularity = GranularityName | (string & {}) | Extents;

const spelling = /^([a-z_]+)(?:\((\d+)(?:,\s*(\d+))?\)|:(\d+)(?:x(\d+))?)?$/;

/**
 * What one group of `granularity` spans, in a convolution or in a linear layer.
 * @throws BurinError `argument` for an unknown name (lists the names) or numbers that do not fit it.
 */
export function extentsOf(granularity: Granularity, inLinear = false): Extents {
  if (typeof granularity !== 'string') return checked(granularity);
  const match = spelling.exec(granularity.trim());
  const written = match?.[1] ?? granularity, name = Object.hasOwn(aliases, written) ? aliases[written] : written;
  const row = (inLinear ? linear[name] : undefined) ?? lookUp<Row>(granularities, name, 'granularity');
  const numbers = (match ?? []).slice(2).filter((text) => text !== undefined).map(Number);
  const letters = (['R', 'C'] as const).filter((letter) => row.includes(letter));
  if (numbers.length !== letters.length) {
    const needs = letters.length ? `${letters.length} numbers, ${match?.[1]}(${letters.join(',')})` : 'no numbers';
    fail({ kind: 'argument', where: `granularity ${granularity}`, needs, got: `${numbers.length}` });
  }
  return checked(row.map((extent) => (typeof extent === 'number' ? extent : numbers[letters.indexOf(extent)])));
}

function checked(extents: readonly number[]): Extents {
  const whole = (extent: number): boolean => extent === all || (Number.isInteger(extent) && extent >= 1);
  expect(Array.isArray(extents) && extents.length === 4 && extents.every(whole), {
    kind: 'argument', where: 'granularity', got: show(extents),
    needs: 'four extents O, I, H, W, each a whole number of 1 or more or Infinity',
  });
  return extents as unknown as Extents;
}
