import type { Cause, LayerReport, Loss, Ratio, Totals } from './record.ts';
import { count, ms, percent, several, times } from './words.ts';

interface Measured {
  readonly totals: Totals;
  readonly layers: readonly LayerReport[];
}

const sum = <T>(list: readonly T[], value: (item: T) => number): number => list.reduce((total, item) => total + value(item), 0);
/** A time after a speedup; a speedup without bound leaves nothing. */
const after = (timeMs: number, speedup: Ratio): number => (speedup === null ? 0 : timeMs / speedup);

const isOther = (layer: LayerReport): boolean => layer.macs === 0;
const isPruned = (layer: LayerReport): boolean => layer.macs > 0 && layer.theoreticalSpeedup !== 1;
const isWhole = (layer: LayerReport): boolean => layer.macs > 0 && layer.theoreticalSpeedup === 1;
const isSparse = (layer: LayerReport): boolean => isPruned(layer) && layer.format !== 'dense';
const isLeftDense = (layer: LayerReport): boolean => isPruned(layer) && layer.format === 'dense';

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
 * - kernels: Σ (s − d/t) over pruned layers that run in a sparse format
 * - leftDense: the same over pruned layers for which dense was faster
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
    const reached = percent(sum(sparse, (l) => after(l.denseMs, l.theoreticalSpeedup)) / sum(sparse, (l) => l.sparseMs));
    return `Sparse kernels reach ${reached} of the promise on the ${several(sparse.length, 'layer')} they run: `
      + `finding the kept weights ${costs(lossMs)}.`;
  },
  leftDense: ({ layers }, lossMs) => {
    const left = layers.filter(isLeftDense);
    if (!left.length) return undefined;
    const stay = left.length === 1 ? 'stays' : 'stay';
    return `${several(left.length, 'pruned layer')} ${stay} dense, because no sparse kernel was faster there: `
      + `the zeros not used ${lossMs < 0 ? 'still save' : 'cost'} ${ms(Math.abs(lossMs))}.`;
  },
  rest: (_, lossMs) => `What happens between the layers, and the noise of the clock, ${costs(lossMs)}.`,
};

/** The losses as plain sentences, the promise first and then the largest. */
export function explain(measured: Measured): string[] {
  const { totals } = measured;
  const promised = promisedMs(totals);
  const gap = totals.sparseMs - promised;
  const first = `The mask keeps ${count(totals.macs.masked)} of ${count(totals.macs.dense)} multiply-adds. If time followed, `
    + `${ms(totals.denseMs)} would become ${ms(promised)} (${times(totals.theoreticalSpeedup.masked)}). `
    + `Measured: ${ms(totals.sparseMs)}, which is ${ms(Math.abs(gap))} ${gap < 0 ? 'less' : 'more'}.`;
  const large = lossesOf(measured).filter((loss) => Math.abs(loss.ms) >= negligible * totals.denseMs);
  const losses = large.toSorted((a, b) => Math.abs(b.ms) - Math.abs(a.ms));
  return [first, ...losses.map((loss) => sentences[loss.cause](measured, loss.ms)).filter((text) => text !== undefined)];
}
