import type { NetworkBytes } from '../measure/bytes.ts';
import { ratio, type Cause, type LayerReport, type Report, type SpreadMs, type Totals } from '../measure/record.ts';
import { bytes, count, ms, number, percent, several, times } from '../measure/words.ts';

/** Whole path segments that all names begin with. */
function commonPath(names: readonly string[]): number {
  const segments = names[0]?.split('/').slice(0, -1) ?? [];
  let length = 0;
  for (const segment of segments) {
    const end = length + segment.length + 1;
    if (!names.every((name) => name.startsWith(names[0].slice(0, end)))) break;
    length = end;
  }
  return length;
}

/**
 * Names a reader can tell apart: without the path that all of them share, and of the lists that converters make of fused nodes (`a;b;c`)
 * the first, where that is unique.
 */
export function shortNames(names: readonly string[]): string[] {
  const start = commonPath(names);
  const whole = names.map((name) => name.slice(start));
  const short = whole.map((name) => name.split(';')[0]);
  const uses = new Map<string, number>();
  for (const name of short) uses.set(name, (uses.get(name) ?? 0) + 1);
  return short.map((name, i) => (uses.get(name) === 1 ? name : whole[i]));
}

/** Names are cut in the middle so that a phone shows both ends beside a value. */
export const short = (name: string, most = 32): string =>
  (name.length <= most ? name : `${name.slice(0, most - 10)}…${name.slice(-9)}`);

const segments: readonly ((name: string) => string)[] = [(name) => name, (name) => name.split('/')[0], (name) => name.split('/').at(-1)!];
/** Letters left behind the cut, in the order they are tried. */
const tails = [9, 4, 7, 12];

/**
 * Names of at most `most` letters, cut where as many as possible stay apart: whole names, their first or their last path segment, with
 * more or less left behind the cut.
 */
export function briefNames(names: readonly string[], most: number): string[] {
  const cut = (name: string, tail: number): string =>
    (name.length <= most ? name : `${name.slice(0, most - 1 - tail)}…${name.slice(-tail)}`);
  let best: string[] = [], apart = 0;
  for (const segment of segments) {
    for (const tail of tails.filter((letters) => letters < most - 1)) {
      const cuts = names.map((name) => cut(segment(name), tail)), unique = new Set(cuts).size;
      if (unique > apart) [best, apart] = [cuts, unique];
    }
  }
  return best;
}

/** The record with the short names of its layers. */
export function withShortNames<T extends { readonly layers: readonly { readonly name: string }[] }>(record: T): T {
  const names = shortNames(record.layers.map((layer) => layer.name));
  return { ...record, layers: record.layers.map((layer, i) => ({ ...layer, name: names[i] })) };
}

/** Times that scatter by more than this share of their median are told to. */
const calm = 0.05;

function scatter(totals: Totals, spread: SpreadMs): string {
  const share = Math.max(...(['denseMs', 'sparseMs'] as const).map((key) => (totals[key] ? spread[key] / totals[key] : 0)));
  return share > calm ? ` (Times scatter by ±${percent(share)}.)` : '';
}

/** One sentence or two that need no other knowledge. */
export function headline({ totals, spread }: Report): string {
  const promised = totals.theoreticalSpeedup.masked;
  if (totals.macs.masked === totals.macs.dense) return 'No weight of a layer that multiplies is zero: there is no promise to keep.';
  const gives = `This device gives ${times(totals.measuredSpeedup)}`;
  if (promised === null) return `Nothing of this network is left, so the mask promises everything. ${gives}.${scatter(totals, spread)}`;
  const gained = totals.denseMs - totals.sparseMs;
  const hidden = Math.abs(gained) <= spread.denseMs + spread.sparseMs;
  const but = hidden ? ', which is within the noise' : gained < 0 ? ', slower than without it' : '';
  return `The mask promises ${times(promised)}. ${gives}${but}: ${percent(totals.efficiency)} of the promise.${scatter(totals, spread)}`;
}

/** What the headline's words mean, for a reader who has never heard of pruning. */
export const primer =
  'A mask marks the weights of a network that were removed, that is, set to zero. Multiplying by zero is work for nothing: skipping it '
  + 'promises a speedup of all multiplications over those that remain. What a device really gives is measured here, against the same '
  + 'network on the fastest dense kernels of the same engine.';

export interface Fact {
  readonly label: string;
  readonly value: string;
  readonly note: string;
}

function howStored({ formats, layers }: Report): string {
  const weighted = layers.filter(hasWeights);
  if (weighted.length && weighted.every((layer) => layer.kernel === 'host')) return 'zeros multiplied too: this provider has no kernels';
  return !formats || formats.includes('dense') ? 'zeros skipped where that is faster' : `stored as ${formats.join(' or ')}`;
}

function bytesFact({ totals: { dense, smallestBytes, byteRatio } }: NetworkBytes): Fact {
  return {
    label: 'Bytes of weights', value: bytes(smallestBytes),
    note: smallestBytes < dense ? `${times(byteRatio)} smaller than ${bytes(dense)} dense, index included` : 'dense: no packing is smaller',
  };
}

/** The numbers that matter, most important first. */
export function facts(report: Report): Fact[] {
  const { totals, spread } = report, { theoreticalSpeedup: promise, macs } = totals;
  const unpromised = promise.masked === 1 ? 'nothing was promised' : 'everything was promised';
  const share = totals.efficiency === null ? unpromised : `${percent(totals.efficiency)} of the promise`;
  return [
    { label: 'Dense', value: ms(totals.denseMs), note: `± ${ms(spread.denseMs)}, every weight multiplied` },
    { label: 'Sparse', value: ms(totals.sparseMs), note: `± ${ms(spread.sparseMs)}, ${howStored(report)}` },
    { label: 'Measured speedup', value: times(totals.measuredSpeedup), note: share },
    { label: 'Promised speedup', value: times(promise.masked), note: `${count(macs.masked)} of ${count(macs.dense)} multiply-adds remain` },
    {
      label: 'Parameters left', value: percent(ratio(totals.nonzeroParams, totals.params)),
      note: `${count(totals.nonzeroParams)} of ${count(totals.params)} are not zero, biases included`,
    },
    ...(report.bytes ? [bytesFact(report.bytes)] : []),
    {
      label: 'Largest difference', value: totals.maxAbsError ? totals.maxAbsError.toExponential(1) : '0',
      note: `${totals.maxAbsError ? '' : 'bit for bit, '}of any output value, sparse against dense`,
    },
  ];
}

/** The three ways to count a promise, side by side. */
export function promises({ totals: { theoreticalSpeedup } }: Report): Fact[] {
  return [
    { label: 'masked', value: times(theoreticalSpeedup.masked), note: 'each layer by its own weights that are not zero' },
    { label: 'effective', value: times(theoreticalSpeedup.effective), note: 'after whole dead channels are followed into the next layers' },
    { label: 'in bounds', value: times(theoreticalSpeedup.inBounds), note: 'multiplications with the padding around an image not counted' },
  ];
}

/** What was done to the network before it was measured. */
export function provenance({ pruning }: Report): string {
  if (!pruning) return 'The zeros were in the model as it came.';
  const { sparsity, criterion, granularity, scope, allocation } = pruning, divided = allocation ? `, allocation ${allocation}` : '';
  return `Pruned here: ${percent(sparsity)} zeros by ${criterion}, granularity ${granularity}, scope ${scope}${divided}.`;
}

/** `WebGPU, NVIDIA A100 (nvidia ampere)` */
function device({ environment: { provider, adapter, adapterInfo, threads } }: Pick<Report, 'environment'>): string {
  if (adapter) {
    const { vendor, architecture, device, description } = adapterInfo ?? {}, kind = [vendor, architecture].filter(Boolean).join(' ');
    const name = description || device;
    return `WebGPU, ${name ? `${name}${kind && ` (${kind})`}` : adapter}`;
  }
  return provider === 'reference' ? 'plain JavaScript loops' : `WebAssembly, ${several(threads, 'thread')}`;
}

/** What it was measured on, and why on that, as sentences. */
export const measuredOn = (report: Report): string =>
  [`Measured on ${device(report)}.`, choiceSentence(report) ?? []].flat().join(' ');

/** Which provider `auto` took and why, and where the dense network alone would run faster. */
function choiceSentence({ environment: { choice }, elsewhere, totals }: Report): string | undefined {
  if (!choice) return undefined;
  const chosen = `Of the providers auto chose ${choice.chosen}${choice.why && `: ${choice.why}`}.`;
  if (!elsewhere) return chosen;
  const gain = times(ratio(elsewhere.denseMs, totals.sparseMs));
  return `${chosen} The dense network runs faster on ${elsewhere.provider}, ${ms(elsewhere.denseMs)}: against that the zeros give ${gain}.`;
}

/** Where it was measured, in one line. */
export function place({ environment: e }: Pick<Report, 'environment'>): string {
  if (e.adapter) return `${e.runtime} · ${e.engine} · WebGPU on ${e.adapter} · ${e.cpu}`;
  const simd = { relaxed: 'relaxed SIMD', plain: 'plain SIMD', none: 'no SIMD' }[e.simd];
  return `${e.runtime} · ${e.engine} · ${simd} · ${several(e.threads, 'thread')}${e.whyFewer ? ` (${e.whyFewer})` : ''} · ${e.cpu}`;
}

function layerClock({ adapter, timestamps }: Report['environment']): string {
  if (!adapter) return 'Times of layers come from runs of their own, with a clock between the layers.';
  return 'A run is timed from inputs in memory to outputs in memory. Times of layers come from runs of their own, '
    + (timestamps ? 'by the clock of the GPU (timestamp queries).' : 'with a fence after each layer, for this GPU tells no times.');
}

export function method({ samples, environment }: Report): string {
  return `Both editions were warmed up until their times settled, then took turns for ${samples} timed runs each. `
    + 'Times are medians; ± is half the distance between the quartiles, so about half of all runs fall inside it. '
    + `${layerClock(environment)} Outputs were compared before anything was timed.`;
}

export function breakEvenSentence({ breakEven, curve }: Report): string | undefined {
  if (!curve?.length) return undefined;
  if (typeof breakEven === 'number') {
    return `Sparse kernels pay from ${percent(breakEven)} zeros on. Below that a session keeps the dense ones.`;
  }
  const ahead = (curve.at(-1)!.measured ?? Infinity) >= 1;
  return ahead
    ? 'Sparse kernels pay over the whole range measured.'
    : 'Sparse kernels do not pay up to the end of the range measured; a session keeps the dense ones.';
}

export const causes: Readonly<Record<Cause, string>> = {
  unpruned: 'Time in layers without zeros',
  otherOperations: 'Operations without weights',
  kernels: 'Sparse kernels below promise',
  leftDense: 'Pruned layers left dense',
  rest: 'Between layers, noise',
};

/** On a GPU what lies between the layers has a name. */
export const causeOf = (cause: Cause, { adapter }: Report['environment']): string =>
  (cause === 'rest' && adapter ? 'To the GPU and back, noise' : causes[cause]);

export interface Column<Layer = LayerReport> {
  readonly head: string;
  readonly cell: (layer: Layer) => string;
  readonly right?: boolean;
  /** Dropped first where the page is narrow: the highest. 0 always stays. */
  readonly spare: number;
}

/** The columns of a table with one row a layer. */
export type Of<Layer> = readonly Column<Layer>[];

/** The fastest candidate of another format: what lost against the choice. */
function runnerUp({ format, candidates }: LayerReport): string {
  // A plan names blocks with the format (`bsr 4x1`), a candidate does not.
  const [chosen] = format.split(' ');
  const others = candidates.filter((candidate) => candidate.format !== chosen).toSorted((a, b) => a.ms - b.ms);
  return others.length ? `${others[0].format} ${ms(others[0].ms)}` : '';
}

/** Activations multiplied with each other have multiply-adds, but no weights. */
export const hasWeights = ({ macs, format }: LayerReport): boolean => macs > 0 && format !== 'none';
const weighted = (layer: LayerReport, text: string): string => (hasWeights(layer) ? text : '');
/** Of a layer that was promised something. */
const ofPromise = (layer: LayerReport): string => (layer.theoreticalSpeedup === 1 ? '' : weighted(layer, percent(layer.efficiency)));

/** The layer table of every form of the report. */
export const columns: readonly Column[] = [
  { head: 'layer', cell: (l) => l.name, spare: 0 },
  { head: 'operation', cell: (l) => l.op, spare: 5 },
  { head: 'output', cell: (l) => l.shape.join('×'), right: true, spare: 6 },
  { head: 'format', cell: (l) => weighted(l, l.narrowed ? `${l.format}, smaller` : l.format), spare: 2 },
  { head: 'kernel', cell: (l) => l.kernel, spare: 8 },
  { head: 'zeros', cell: (l) => weighted(l, percent(l.sparsity)), right: true, spare: 1 },
  { head: 'MACs', cell: (l) => (l.macs ? count(l.macs) : ''), right: true, spare: 7 },
  { head: 'dense ms', cell: (l) => number(l.denseMs), right: true, spare: 0 },
  { head: 'sparse ms', cell: (l) => number(l.sparseMs), right: true, spare: 0 },
  { head: 'promised', cell: (l) => weighted(l, times(l.theoreticalSpeedup)), right: true, spare: 3 },
  { head: 'measured', cell: (l) => times(l.measuredSpeedup), right: true, spare: 0 },
  { head: 'of promise', cell: ofPromise, right: true, spare: 4 },
  { head: 'next best', cell: runnerUp, right: true, spare: 9 },
];
