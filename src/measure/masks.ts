import { countNonzero } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import { prune, type PruneOptions } from '../prune/index.ts';
import { Tensor } from '../tensor.ts';

export interface Mask {
  readonly how: PruneOptions;
  /** Input channels must be a multiple of the first (the mask reaches along them), filters of the second. */
  readonly of?: number;
  readonly ofFilters?: number;
  /** The sparsity, where the mask decides it. */
  readonly fixed?: number;
  /** Share of the kept weights that lie outside of the blocks: the largest of those the blocks dropped. */
  readonly strays?: number;
  /** Whether `--quick` has it: on WebAssembly, on a GPU. */
  readonly quick?: true;
  readonly gpuQuick?: true;
  /** What it makes a curve with: masks of one kind whose sparsity is decided by which of them it is. */
  readonly family?: string;
}

const square = (size: number): Mask => ({ how: { granularity: `block(${size},${size})` }, of: size, ofFilters: size });
const keepOf = (keep: number, of: number): Mask => ({ how: { scope: { keep, of } }, of, fixed: 1 - keep / of });
/** N:M with one list of columns for `rows` filters. */
const vectorWise = (keep: number, of: number, rows: number): Mask =>
  ({ how: { granularity: `block_rows(${rows})`, scope: { keep, of } }, of, ofFilters: rows, fixed: 1 - keep / of });

/** On a GPU a list of columns is shared by as many filters as a workgroup computes, and windows are long. */
const vectors = (keep: number, rows: number, quick?: { gpuQuick: true }): Mask =>
  ({ ...vectorWise(keep, 32, rows), family: `N:32v${rows}`, ...quick });

const gpuQuick = { gpuQuick: true } as const;

/** Masks by the shape of what they keep or drop together: single weights, rows × columns of the weight, N kept of M. */
export const masks = {
  'unstructured': { how: { granularity: 'weight' }, quick: true, ...gpuQuick },
  '2x1': { how: { granularity: 'block_rows(2)' } },
  '4x1': { how: { granularity: 'block_rows(4)' }, quick: true, ...gpuQuick },
  '6x1': { how: { granularity: 'block_rows(6)' } },
  '8x1': { how: { granularity: 'block_rows(8)' } },
  '4x4': square(4),
  '8x8': square(8),
  '16x16': { ...square(16), ...gpuQuick },
  '32x32': { ...square(32), ...gpuQuick },
  '4x1+3%': { how: { granularity: 'block_rows(4)' }, strays: 0.03 },
  '1:4': keepOf(1, 4),
  '2:4': { ...keepOf(2, 4), quick: true, ...gpuQuick },
  '1:8': keepOf(1, 8),
  '4:8': keepOf(4, 8),
  '1:4v4': vectorWise(1, 4, 4),
  '2:4v4': vectorWise(2, 4, 4),
  '16:32v32': vectors(16, 32, gpuQuick),
  '8:32v32': vectors(8, 32, gpuQuick),
  '4:32v32': vectors(4, 32),
  '16:32v64': vectors(16, 64),
  '8:32v64': vectors(8, 64),
  '4:32v64': vectors(4, 64),
} satisfies Record<string, Mask>;

export type MaskName = keyof typeof masks;

/** The graph of one layer with a mask on its weight `w`. @param sparsity fraction of weights to drop; N:M decides it by itself */
export function masked(graph: Graph, mask: MaskName, sparsity: number): Graph {
  const { how, fixed, strays = 0 }: Mask = masks[mask];
  if (fixed !== undefined) return prune(graph, how).graph;
  const blocks = prune(graph, { ...how, sparsity: 1 - (1 - sparsity) * (1 - strays) }).graph;
  return strays ? withStrays(graph, blocks, sparsity) : blocks;
}

/** The blocks, and beside them the largest of the other weights until only `sparsity` of all are zero. */
function withStrays(whole: Graph, blocks: Graph, sparsity: number): Graph {
  const all = whole.constants.get('w')!.data as Float32Array, { data, dims } = blocks.constants.get('w')!;
  const kept = (data as Float32Array).slice();
  const missing = Math.round((1 - sparsity) * kept.length) - countNonzero(kept);
  const dropped = Array.from(kept.keys()).filter((i) => kept[i] === 0).sort((i, j) => Math.abs(all[j]) - Math.abs(all[i]) || i - j);
  for (const i of dropped.slice(0, Math.max(0, missing))) kept[i] = all[i];
  return { ...blocks, constants: new Map(blocks.constants).set('w', new Tensor('float32', kept, dims)) };
}
