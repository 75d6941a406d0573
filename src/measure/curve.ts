import type { CurvePoint } from './record.ts';

export interface Sweep {
  readonly curve: readonly CurvePoint[];
  readonly breakEven: number | null;
}

/** Where measured speedup crosses 1 for good: the points on both sides. */
function bracket(curve: readonly CurvePoint[]): [CurvePoint, CurvePoint] | undefined {
  const last = curve.findLastIndex((point) => (point.measured ?? Infinity) < 1);
  return last >= 0 && last + 1 < curve.length ? [curve[last], curve[last + 1]] : undefined;
}

/**
 * The sparsity from which sparse is faster than dense to the end of a curve (points in order of sparsity), linear between the measured
 * points; null when the curve never crosses 1 inside its range.
 */
export function breakEvenOf(curve: readonly CurvePoint[]): number | null {
  const sides = bracket(curve);
  if (!sides) return null;
  const [low, high] = sides;
  const share = high.measured === null ? 1 : (1 - low.measured!) / (high.measured - low.measured!);
  return low.sparsity + share * (high.sparsity - low.sparsity);
}

/**
 * Measures a curve at the given sparsities and narrows its crossing of 1 down by halving.
 * @param point one measurement
 */
export async function search(
  point: (sparsity: number) => Promise<CurvePoint>, sparsities: readonly number[], refinements: number,
): Promise<Sweep> {
  const curve: CurvePoint[] = [];
  const add = async (sparsity: number): Promise<void> => {
    curve.push(await point(sparsity));
    curve.sort((a, b) => a.sparsity - b.sparsity);
  };
  for (const sparsity of sparsities) await add(sparsity);
  for (let i = 0; i < refinements; i++) {
    const sides = bracket(curve);
    if (sides) await add((sides[0].sparsity + sides[1].sparsity) / 2);
  }
  return { curve, breakEven: breakEvenOf(curve) };
}
