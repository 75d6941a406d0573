import { breakEvenOf } from './curve.ts';
import type { KernelTiming } from './kernels.ts';
import { masks, type Mask } from './masks.ts';

/** What one format makes of one kind of mask, over all cases measured at a sparsity. */
export interface EfficiencyPoint {
  readonly sparsity: number;
  /** Geometric means over the cases. */
  readonly efficiency: number;
  readonly speedup: number;
  readonly cases: number;
  /** Of what the same kernels reach with every position stored, where that was measured. */
  readonly ofIdentity?: number;
}

export interface EfficiencyCurve {
  readonly mask: string;
  readonly format: string;
  /** In order of sparsity. */
  readonly points: readonly EfficiencyPoint[];
  /** Sparsity from which the format beats dense to the end of the curve; null where it always or never does. */
  readonly breakEven: number | null;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** Masks that drop blocks miss the sparsity asked for by a block or two: hundredths tell cases apart. */
const hundredths = (sparsity: number): string => sparsity.toFixed(2);

function pointOf(sparsity: string, rows: readonly KernelTiming[]): EfficiencyPoint {
  const fastest = [...groupBy(rows, (row) => row.case).values()].map((list) => list.reduce((a, b) => (b.medianMs < a.medianMs ? b : a)));
  const same = fastest.flatMap(({ ofIdentity }) => ofIdentity ?? []);
  return {
    sparsity: Number(sparsity), cases: fastest.length, ...(same.length && { ofIdentity: geometricMean(same) }),
    efficiency: geometricMean(fastest.map((row) => row.efficiency)),
    speedup: geometricMean(fastest.map((row) => row.efficiency / (1 - row.sparsity))),
  };
}

/** Masks of one family make one curve. */
const familyOf = (mask: string): string => (masks as Readonly<Record<string, Mask>>)[mask]?.family ?? mask;

/** Efficiency over sparsity for each mask and format, by the fastest kernel of each case. Rows whose weight has no nonzero say nothing. */
export function efficiencyCurves(rows: readonly KernelTiming[]): EfficiencyCurve[] {
  const sparse = rows.filter((row) => row.format !== 'dense' && row.sparsity < 1);
  return [...groupBy(sparse, (row) => `${familyOf(row.mask)}|${row.format}`).values()].map((group) => {
    const points = [...groupBy(group, (row) => hundredths(row.sparsity))].map(([sparsity, list]) => pointOf(sparsity, list))
      .sort((a, b) => a.sparsity - b.sparsity);
    const curve = points.map(({ sparsity, speedup }) => ({ sparsity, theoretical: 1 / (1 - sparsity), measured: speedup }));
    return { mask: familyOf(group[0].mask), format: group[0].format, points, breakEven: breakEvenOf(curve) };
  });
}

/** Every sparsity that some curve has a point at, ascending. */
export function sparsitiesOf(curves: readonly EfficiencyCurve[]): number[] {
  return [...new Set(curves.flatMap(({ points }) => points.map(({ sparsity }) => sparsity)))].sort((a, b) => a - b);
}
