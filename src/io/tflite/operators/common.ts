import { expect, fail } from '../../../expect.ts';
import { byte } from '../flat.ts';
import { scalar, type Site, type Step } from '../draft.ts';

/** Rewrites one operator of the file into nodes. */
export type Rewrite = (site: Site) => void;

const activations: Readonly<Record<number, (site: Site) => Step[]>> = {
  0: () => [],
  1: () => [{ op: 'Relu' }],
  2: (site) => [clip(site, -1, 1)],
  3: (site) => [clip(site, 0, 6)],
  4: () => [{ op: 'Tanh' }],
};

export function clip(site: Site, low: number, high: number): Step {
  return { op: 'Clip', more: [scalar(site, low), scalar(site, high)] };
}

/** The nodes of a fused activation function, by its number in the schema. */
export function activation(site: Site, kind: number): Step[] {
  const steps = activations[kind] ?? fail({
    kind: 'unsupported', where: `${site.where} fused activation`, got: `${kind}`,
    needs: '0 (none), 1 (RELU), 2 (RELU_N1_TO_1), 3 (RELU6) or 4 (TANH)',
  });
  return steps(site);
}

/** The activation where field `id` of the options names it. */
export function fused(site: Site, id: number): Step[] {
  return activation(site, site.options({ fused: [id, byte()] }).fused);
}

/** `value` when it is a whole number of at least 1. */
export function positive(site: Site, what: string, value: number): number {
  expect(Number.isInteger(value) && value >= 1, { kind: 'file', where: site.where, needs: `a ${what} of 1 or more`, got: `${value}` });
  return value;
}

/** `axis` counted from the front. */
export function axisFrom(site: Site, axis: number, rank: number): number {
  const inside = Number.isInteger(axis) && axis >= -rank && axis < rank;
  expect(inside, { kind: 'file', where: site.where, needs: `an axis in [-${rank}, ${rank})`, got: `${axis}` });
  return axis < 0 ? axis + rank : axis;
}
