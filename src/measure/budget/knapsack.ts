/** One way to treat one layer. */
export interface Option {
  readonly cost: number;
  readonly value: number;
}

interface Bin {
  /** Units beyond the cheapest option of the layer. */
  readonly extra: number;
  readonly value: number;
  readonly index: number;
}

/** Tolerance of a division that should come out whole. */
const ROUNDING = 1e-9;

/**
 * Picks one option of each layer so that the costs are at most `budget` together and the values are the most: the multiple-choice
 * knapsack, by dynamic programming over costs in whole `unit`s, rounded up. Exact up to that rounding, and never better with less budget.
 * Time: options × units of the budget; values are finite.
 *
 * @returns the index of each layer's option; undefined where even the cheapest together cost more than the budget
 */
export function knapsack(layers: readonly (readonly Option[])[], budget: number, unit: number): number[] | undefined {
  const cheapest = layers.map((options) => options.reduce((least, option, i) => (option.cost < options[least].cost ? i : least), 0));
  const floor = layers.reduce((sum, options, l) => sum + options[cheapest[l]].cost, 0);
  if (floor > budget * (1 + ROUNDING)) return undefined;
  const bins = layers.map((options, l) => binsOf(options, options[cheapest[l]].cost, unit));
  const most = bins.reduce((sum, own) => sum + own[own.length - 1].extra, 0);
  const capacity = Math.min(most, Math.floor((budget - floor) / unit + ROUNDING));
  const picks: Uint16Array[] = [];
  let best = new Float64Array(Math.max(0, capacity) + 1);
  for (const own of bins) {
    const { values, pick } = addLayer(best, own);
    best = values;
    picks.push(pick);
  }
  return trace(bins, picks, best.length - 1);
}

/** The best option for every number of units that brings more than all with fewer, in order of cost. */
function binsOf(options: readonly Option[], least: number, unit: number): Bin[] {
  const all = options.map(({ cost, value }, index): Bin => ({ extra: Math.ceil((cost - least) / unit - ROUNDING), value, index }));
  all.sort((a, b) => a.extra - b.extra || b.value - a.value);
  const front: Bin[] = [];
  for (const bin of all) if (front.length === 0 || bin.value > front[front.length - 1].value) front.push(bin);
  return front;
}

function addLayer(before: Float64Array, bins: readonly Bin[]): { values: Float64Array<ArrayBuffer>; pick: Uint16Array } {
  const values = new Float64Array(before.length).fill(-Infinity), pick = new Uint16Array(before.length);
  bins.forEach(({ extra, value }, i) => {
    for (let b = extra; b < values.length; b++) {
      const sum = before[b - extra] + value;
      if (sum <= values[b]) continue;
      values[b] = sum;
      pick[b] = i;
    }
  });
  return { values, pick };
}

function trace(bins: readonly (readonly Bin[])[], picks: readonly Uint16Array[], capacity: number): number[] {
  const chosen: number[] = new Array(bins.length);
  let left = capacity;
  for (let l = bins.length - 1; l >= 0; l--) {
    const bin = bins[l][picks[l][left]];
    chosen[l] = bin.index;
    left -= bin.extra;
  }
  return chosen;
}
