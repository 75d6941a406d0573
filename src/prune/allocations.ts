import { expect, show } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';
import type { Scores } from './criteria/criteria.ts';
import { shareOfLarger } from './criteria/lamp.ts';

/** A layer as an allocation sees it. */
export interface Share {
  readonly layer: Layer;
  /** Dimensions of the weight as it is stored: a linear layer has two. */
  readonly dims: readonly number[];
  readonly size: number;
}

/** How the sparsity asked for is divided among the layers. */
export interface Allocation {
  readonly about: string;
  /** The fraction that each layer loses, so that all together lose `sparsity` of their weights. Absent: one ranking decides. */
  readonly shares?: (layers: readonly Share[], sparsity: number) => number[];
  /** What the scores of a layer's groups become before all layers are ranked together. */
  readonly rescale?: (scores: Scores) => Scores;
  /** The criterion to take where none is named. */
  readonly criterion?: 'squared';
}

/** How one sparsity becomes one a layer. Each says in `about` what it does and whose it is; a caller may give a record of the same form. */
export const allocations = {
  'uniform': { about: 'every layer loses the same fraction', shares: (layers, sparsity) => layers.map(() => sparsity) },
  'uniform+': {
    about: 'as uniform, but the first convolution stays dense and the last linear layer keeps 20 % (Gale et al. 2019)', shares: uniformPlus,
  },
  'erk': { about: 'densities ε·Σdims/Πdims, ε so that the total fits (Erdős–Rényi kernel, Evci et al. 2020)', shares: erk },
  'global': { about: 'the groups of all layers are ranked together' },
  'lamp': {
    about: 'all are ranked together, scores as shares of what is not smaller in their layer (Lee et al. 2021)',
    rescale: shareOfLarger, criterion: 'squared',
  },
} satisfies Record<string, Allocation>;

/** A row of {@link allocations}. */
export type AllocationName = keyof typeof allocations;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Most that the classifier loses. */
const CLASSIFIER_MOST = 0.8;

function uniformPlus(layers: readonly Share[], sparsity: number): number[] {
  const first = layers.findIndex(({ layer }) => layer.node.op === 'Conv'), last = layers.findLastIndex(({ dims }) => dims.length === 2);
  const most = layers.map((_, i) => (i === first ? 0 : i === last ? CLASSIFIER_MOST : 1)), sizes = layers.map(({ size }) => size);
  return orTooMuch(filledUp(sizes, most, sparsity * sum(sizes)), 'uniform+', { layers, sparsity });
}

/** The same fraction of each, but of none more than its `most`, `wanted` in all; undefined where that is more than there is. */
function filledUp(sizes: readonly number[], most: readonly number[], wanted: number): number[] | undefined {
  const full = new Set<number>();
  for (;;) {
    const rest = wanted - sum([...full].map((i) => sizes[i] * most[i])), open = sum(sizes.filter((_, i) => !full.has(i)));
    const share = open ? Math.max(0, rest / open) : 0, over = sizes.flatMap((_, i) => (!full.has(i) && share > most[i] ? [i] : []));
    if (!over.length) return open || rest <= wanted * 1e-9 ? sizes.map((_, i) => (full.has(i) ? most[i] : share)) : undefined;
    for (const i of over) full.add(i);
  }
}

/** Layers that would have to be denser than 1 stay dense, and ε is solved again for the others. */
function erk(layers: readonly Share[], sparsity: number): number[] {
  const raw = layers.map(({ dims, size }) => sum(dims) / size), dense = new Set<number>();
  const kept = (1 - sparsity) * sum(layers.map(({ size }) => size));
  for (;;) {
    const left = kept - sum([...dense].map((i) => layers[i].size));
    const per = sum(layers.map(({ size }, i) => (dense.has(i) ? 0 : raw[i] * size))), epsilon = per ? left / per : 0;
    const over = raw.flatMap((density, i) => (!dense.has(i) && epsilon * density > 1 ? [i] : []));
    const shares = raw.map((density, i) => (dense.has(i) ? 0 : 1 - epsilon * density));
    if (!over.length) return orTooMuch(shares, 'erk', { layers, sparsity });
    for (const i of over) dense.add(i);
  }
}

interface Asked { readonly layers: readonly Share[]; readonly sparsity: number }

function orTooMuch(shares: number[] | undefined, name: string, { layers, sparsity }: Asked): number[] {
  const fits = shares?.every((share) => share >= -1e-9 && share <= 1 + 1e-9);
  expect(fits, {
    kind: 'argument', where: `allocation ${name}`, needs: `a sparsity that the ${layers.length} layers can reach with some kept dense`,
    got: show(sparsity), remedy: 'take a lower sparsity, or allocation uniform',
  });
  return shares!.map((share) => Math.min(1, Math.max(0, share)));
}
