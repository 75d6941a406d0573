import type { Cause, Environment, LayerReport, Loss, Ratio, Told, Totals } from './record.ts';
import { count, ms, percent, several, times } from './words.ts';

interface Measured extends Told {
  /** What the report says of the device; a plain one where absent. */
  readonly environment?: Pick<Environment, 'adapter'>;
  readonly totals: Totals;
  readonly layers: readonly LayerReport[];
}

const sum = <T>(list: readonly T[], value: (item: T) => number): number => list.reduce((total, item) => total + value(item), 0);
/** A time after a speedup; a speedup without bound leaves nothing. */
const after = (timeMs: number, speedup: Ratio): number => (speedup === null ? 0 : timeMs / speedup);

const isOther = (layer: LayerReport): boolean => layer.macs === 0;
const isPruned = (layer: LayerReport): boolean => layer.macs > 0 && layer.theoreticalSpeedup !== 1;
const isWhole = (layer: LayerReport): boolean => layer.macs > 0 && layer.theoreticalSpeedup === 1;
/** Dead channels were taken out and no zero is left. */
const isSmallerDense = ({ format, narrowed }: LayerReport): boolean =>
  format === 'dense' && narrowed !== undefined && narrowed.nnz === narrowed.size;
/** Runs in a sparse format, or smaller than it was given. */
const isSparse = (layer: LayerReport): boolean =>
  (isPruned(layer) && (layer.format !== 'dense' || isSmallerDense(layer))) || (isWhole(layer) && layer.narrowed !== undefined);
const isLeftDense = (layer: LayerReport): boolean => isPruned(layer) && !isSparse(layer);

/** What the network would take if every millisecond shrank as the multiply-adds do. */
export function promisedMs(totals: Totals): number {
  return after(totals.denseMs, totals.theoreticalSpeedup.masked);
}

/** What layers take beyond their own promise. */
const beyond = (layers: readonly LayerReport[]): number => sum(layers, (l) => l.sparseMs - after(l.denseMs, l.theoreticalSpeedup));

/**
 * Splits sparseMs − denseMs/T, with T the theoretical speedup of the network, into causes that add up to it exactly. With d and s the
 * dense and sparse time of a layer and t its own theoretical speedup:
 * - unpruned: Σ (d/t − d/T) over layers with weights; it is not 0 when time is spread over layers otherwise than multiply-adds are
 * - otherOperations: Σ (s − d/T) over operations without weights, which no mask shortens
 * - kernels: Σ (s − d/t) over pruned layers that run in a sparse format, and layers that lost dead channels
 * - leftDense: the same over pruned layers that run dense
 * - rest: what lies between the layers, and noise
 */
export function lossesOf({ totals, layers }: Measured): Loss[] {
  const speedup = totals.theoreticalSpeedup.masked;
  const others = layers.filter(isOther);
  const parts: Record<Exclude<Cause, 'rest'>, number> = {
    unpruned: sum(layers.filter((l) => !isOther(l)), (l) => after(l.denseMs, l.theoreticalSpeedup) - after(l.denseMs, speedup)),
    otherOperations: sum(others, (l) => l.sparseMs - after(l.denseMs, speedup)),
    kernels: beyond(layers.filter(isSparse)),
    leftDense: beyond(layers.filter(isLeftDense)),
  };
  const gap = totals.sparseMs - promisedMs(totals);
  const all = { ...parts, rest: gap - sum(Object.values(parts), (part) => part) };
  return Object.entries(all).map(([cause, ms]) => ({ cause: cause as Cause, ms }));
}

/** A loss below this share of the dense time is neither told nor drawn. */
export const negligible = 0.004;

type Sentence = (measured: Measured, lossMs: number) => string | undefined;

/** `costs 0.30 ms`, or `saves` it. */
const costs = (lossMs: number): string => `${lossMs < 0 ? 'saves' : 'costs'} ${ms(Math.abs(lossMs))}`;

/** Why a pruned layer runs dense. */
function whyDense({ kernel, candidates, decided }: LayerReport, { formats, tune }: Told, them: string): string {
  if (kernel === 'host') return `because this provider has no kernel for ${them}`;
  if (formats?.every((format) => format === 'dense')) return 'because no sparse format was allowed';
  const untold = !candidates.length && !decided && tune !== 'predict';
  if (kernel.includes('depthwise') || untold) return `because no sparse kernel exists for ${them} (depthwise)`;
  // Of what was predicted only the best guess is made ready on a GPU.
  const fits = !candidates.length || candidates.some(({ format }) => format !== 'dense');
  if (!fits) return `because no sparse format ${formats ? 'allowed ' : ''}fits ${them}`;
  if (decided === 'out of time') return 'because no sparse kernel promised to be faster there (no time was left for timing them)';
  return tune === 'predict' || decided === 'predicted'
    ? 'because no sparse kernel promised to be faster there (predicted, not timed)'
    : 'because no sparse kernel was faster there';
}

/** `because …`, or where reasons differ `2 because …, 1 because …`. */
function reasons(left: readonly LayerReport[], told: Told): string {
  const counts = new Map<string, number>();
  for (const layer of left) {
    const why = whyDense(layer, told, left.length === 1 ? 'it' : 'them');
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, n]) => (counts.size > 1 ? `${n} ${why}` : why)).join(', ');
}

/** Why dense shaders are hard to beat, and by what. */
const tiles = ({ environment, formats }: Pick<Measured, 'environment' | 'formats'>): string =>
  (environment?.adapter && !formats?.every((format) => format === 'dense')
    ? ' Dense shaders share whole tiles among many invocations, which single zeros do not allow: on a GPU zeros pay where they come in '
      + 'blocks (block(16,16), block_rows(32)).'
    : '');

const sentences: Record<Cause, Sentence> = {
  unpruned: ({ layers }, lossMs) => {
    const whole = layers.filter(isWhole);
    if (!whole.length) return `Pruned layers do not hold time in proportion to their multiply-adds, which ${costs(lossMs)}.`;
    const weighted = layers.filter((layer) => !isOther(layer));
    const share = (key: 'macs' | 'denseMs'): string => percent(sum(whole, (l) => l[key]) / sum(weighted, (l) => l[key]));
    const [counted, timed] = [share('macs'), share('denseMs')];
    return `${several(whole.length, 'layer')} with every weight still there: ${counted} of the multiply-adds `
      + `${counted === timed ? 'and' : 'but'} ${timed} of the dense time of all layers with weights. `
      + `The promise counts multiply-adds, not milliseconds, which ${costs(lossMs)}.`;
  },
  otherOperations: ({ layers }, lossMs) => {
    const others = layers.filter(isOther);
    if (!others.length) return undefined;
    const [subject, them] = others.length === 1 ? ['takes', 'it'] : ['take', 'them'];
    return `${several(others.length, 'operation')} without weights (padding, pooling, resizing, adding) ${subject} `
      + `${ms(sum(others, (l) => l.sparseMs))}, and no mask makes ${them} shorter, which ${costs(lossMs)} against the promise.`;
  },
  kernels: ({ layers }, lossMs) => {
    const sparse = layers.filter(isSparse);
    if (!sparse.length) return undefined;
    const promised = sum(sparse, (l) => after(l.denseMs, l.theoreticalSpeedup));
    if (!promised) return `${several(sparse.length, 'layer')} without a weight left: finding that out ${costs(lossMs)}.`;
    const reached = percent(promised / sum(sparse, (l) => l.sparseMs));
    const who = sparse.some(({ narrowed }) => narrowed) ? 'Sparse kernels and layers without their dead channels' : 'Sparse kernels';
    return `${who} reach ${reached} of the promise on the ${several(sparse.length, 'layer')} they run: `
      + `finding the kept weights ${costs(lossMs)}.`;
  },
  leftDense: ({ layers, ...told }, lossMs) => {
    const left = layers.filter(isLeftDense);
    if (!left.length) return undefined;
    const stay = left.length === 1 ? 'stays' : 'stay';
    return `${several(left.length, 'pruned layer')} ${stay} dense, ${reasons(left, told)}: `
      + `the zeros not used ${lossMs < 0 ? 'still save' : 'cost'} ${ms(Math.abs(lossMs))}.${tiles(told)}`;
  },
  rest: ({ environment }, lossMs) =>
    `What happens ${environment?.adapter ? 'on the way to the GPU and back' : 'between the layers'}, and the noise of the clock, `
      + `${costs(lossMs)}.`,
};

/** What was promised, and what came of it. */
function opening(totals: Totals): string {
  const promised = promisedMs(totals), gap = totals.sparseMs - promised, speedup = totals.theoreticalSpeedup.masked;
  const whole = count(totals.macs.dense);
  if (speedup === null) return `The mask keeps none of ${whole} multiply-adds. ${ms(totals.denseMs)} became ${ms(totals.sparseMs)}.`;
  if (speedup === 1) {
    return `All ${whole} multiply-adds remain, so nothing is promised: ${ms(totals.denseMs)} dense, ${ms(totals.sparseMs)} sparse.`;
  }
  return `The mask keeps ${count(totals.macs.masked)} of ${whole} multiply-adds. If time followed, ${ms(totals.denseMs)} would become `
    + `${ms(promised)} (${times(speedup)}). Measured: ${ms(totals.sparseMs)}, which is ${ms(Math.abs(gap))} ${gap < 0 ? 'less' : 'more'}.`;
}

/** Efficiencies above this need a word: noise alone does not explain them. */
const beyondPromise = 1.05;

/** Why layers give more than they promised. */
const bonuses: readonly { readonly of: (layer: LayerReport) => boolean; readonly why: string }[] = [
  {
    of: ({ narrowed }) => narrowed !== undefined,
    why: 'which counts a layer\'s own zeros: channels that died in other layers make them smaller too',
  },
  {
    of: ({ narrowed }) => narrowed === undefined,
    why: 'which counts multiply-adds only: where memory bounds the dense kernel, fewer weights also mean fewer bytes to fetch',
  },
];

function bonus(layers: readonly LayerReport[]): string[] {
  const rich = layers.filter((layer) => isSparse(layer) && (layer.efficiency ?? 0) > beyondPromise);
  return bonuses.flatMap(({ of, why }) => {
    const some = rich.filter(of);
    if (!some.length) return [];
    const [give, their] = some.length === 1 ? ['gives', 'its'] : ['give', 'their'];
    return [`${several(some.length, 'layer')} ${give} more than ${their} promise, ${why}.`];
  });
}

/** The losses as plain sentences, the promise first and then the largest. */
export function explain(measured: Measured): string[] {
  const { totals, layers } = measured;
  if (totals.theoreticalSpeedup.masked === 1) return [opening(totals)];
  const large = lossesOf(measured).filter((loss) => Math.abs(loss.ms) >= negligible * totals.denseMs);
  const losses = large.toSorted((a, b) => Math.abs(b.ms) - Math.abs(a.ms));
  const told = losses.map((loss) => sentences[loss.cause](measured, loss.ms)).filter((text) => text !== undefined);
  return [opening(totals), ...told, ...bonus(layers)];
}
