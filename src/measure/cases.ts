import { countNonzero } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import { Tensor } from '../tensor.ts';
import { layers, matrixLayers, type BenchLayer, type NamedMatrix } from './layers.ts';
import { masked, masks, type Mask, type MaskName } from './masks.ts';

export * from './layers.ts';
export { masks, type MaskName } from './masks.ts';

/** One layer with one mask: what a sparse kernel is tested and timed on. */
export interface BenchCase {
  readonly name: string;
  readonly layer: BenchLayer;
  /** A key of `masks`, or `own` for the zeros that the layer's own weight has. */
  readonly mask: MaskName | 'own';
  /** Fraction of weights to drop, 0…1. */
  readonly sparsity: number;
  /** Whether `--quick` runs it: on WebAssembly, on a GPU. */
  readonly quick: boolean;
  readonly gpuQuick?: boolean;
}

export const sparsities = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98] as const;
const quickSparsities: readonly number[] = [0.7, 0.9];

/** One case. Its name is the layer's, the mask's and the sparsity. */
export function caseOf(layer: BenchLayer, mask: MaskName, sparsity: number): BenchCase {
  const { fixed, quick, gpuQuick }: Mask = masks[mask];
  const usual = layer.quick && (fixed !== undefined || quickSparsities.includes(sparsity));
  return {
    name: `${layer.network}.${layer.layer} ${mask} ${fixed ?? sparsity}`,
    layer, mask, sparsity: fixed ?? sparsity,
    quick: usual && quick === true, gpuQuick: usual && gpuQuick === true,
  };
}

/** Whether a layer has the rows and columns that a mask needs. */
export function fitsMask({ inputs, filters }: BenchLayer, mask: MaskName): boolean {
  const { of = 1, ofFilters = 1 }: Mask = masks[mask];
  return inputs % of === 0 && filters % ofFilters === 0;
}

/** A layer with every mask that fits it, at some sparsities; a mask that decides its sparsity comes once. */
export function casesOf(layer: BenchLayer, at: readonly number[] = sparsities): BenchCase[] {
  return Object.entries(masks as Record<MaskName, Mask>).flatMap(([name, { fixed }]) => {
    const mask = name as MaskName;
    return fitsMask(layer, mask) ? (fixed === undefined ? at : [fixed]).map((sparsity) => caseOf(layer, mask, sparsity)) : [];
  });
}

/** Every layer × mask × sparsity, layer by layer. */
export const cases: readonly BenchCase[] = layers.flatMap((layer) => casesOf(layer));

/** Matrices with the zeros they come with, times one vector and times a batch. */
export function matrixCases(matrices: readonly NamedMatrix[]): BenchCase[] {
  return matrices.flatMap((named) => matrixLayers(named).map((layer): BenchCase => {
    const { values } = named.matrix;
    return {
      name: `${layer.network}.${layer.layer} own`, layer, mask: 'own', sparsity: 1 - countNonzero(values) / values.length,
      quick: true, gpuQuick: true,
    };
  }));
}

/** The graph of a layer with the mask of a case applied to its weight. */
export function maskedGraph(graph: Graph, { mask, sparsity, layer }: Omit<BenchCase, 'name' | 'quick'>): Graph {
  if (mask !== 'own') return masked(graph, mask, sparsity);
  const { rows, cols, values } = layer.weight!;
  return { ...graph, constants: new Map(graph.constants).set('w', new Tensor('float32', values, [rows, cols])) };
}
