import { expect, expectOptions, fail, lookUp, show } from '../../expect.ts';
import type { Matrix } from '../../formats/index.ts';
import { expectGraph } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { prunableLayers, type Layer } from '../../graph/layers.ts';
import { arranged } from '../../prune/masks/layouts.ts';
import { unpackMask, type Mask } from '../../prune/masks/mask.ts';
import { checkMasks, type Masks } from '../../prune/masks/masks.ts';
import { sameShape, Tensor } from '../../tensor.ts';
import { writeNpz } from '../npz.ts';
import { writeSmtx } from '../smtx.ts';
import { writeMaskFile } from './file.ts';

export interface WriteMasksOptions {
  /** Default safetensors, the one format that says how the masks were made and notices damage. */
  readonly format?: MaskFormat;
  /** The network: smtx needs it, as the matrix O × I·KH·KW lies in a weight one way or the other and a square one does not tell which. */
  readonly graph?: Graph;
}

/** O × I/g·window, from the stored order. */
function matrixOf(mask: Mask, { orientation, groups, dims: [O, I, height, width] }: Layer): Matrix {
  const rows = O, cols = I * height * width;
  if (orientation === 'oihw') return { rows, cols, values: Float32Array.from(unpackMask(mask)) };
  const view = [groups, I, O / groups, height * width];
  return { rows, cols, values: Float32Array.from(unpackMask(arranged(mask, { view, perm: [0, 2, 1, 3] }, [rows, cols]))) };
}

function smtxOf(masks: Masks, graph: Graph | undefined): Uint8Array {
  expect(masks.size === 1, {
    kind: 'argument', where: 'writeMasks, smtx', needs: 'one mask, as the file holds one matrix', got: `${masks.size}`,
  });
  const [[name, mask]] = masks;
  return writeSmtx(matrixOf(mask, layerOf(name, mask, graph)));
}

/** The layer whose weight the mask is of. @throws BurinError `argument` where there is no such layer, `shape` for another shape */
function layerOf(name: string, mask: Mask, graph: Graph | undefined): Layer {
  const where = `writeMasks, smtx, ${show(name)}`, remedy = 'give it as option graph';
  if (!graph) return fail({ kind: 'argument', where, needs: 'the network, which knows how the weight lies', got: 'none', remedy });
  expectGraph(graph);
  const layer = prunableLayers(graph).find(({ weight }) => weight === name), dims = graph.constants.get(name)?.dims ?? [];
  if (!layer) return fail({ kind: 'argument', where, needs: 'the mask of a layer of the network', got: 'another' });
  const shape = (of: readonly number[]): string => `[${of.join(', ')}]`;
  expect(sameShape(dims, mask.dims), { kind: 'shape', where, needs: `a mask ${shape(dims)}, as the weight is`, got: shape(mask.dims) });
  return layer;
}

/** How masks can be written. */
const writers = {
  safetensors: writeMaskFile,
  /** A bool array a mask, by the name of the weight, for numpy.load. */
  npz: (masks) => writeNpz(new Map(Array.from(masks, ([name, mask]) => [name, new Tensor('bool', unpackMask(mask), mask.dims)]))),
  /** One layer as the matrix O × I·KH·KW, whichever way its weight lies. */
  smtx: (masks, _how, graph) => smtxOf(masks, graph),
} satisfies Record<string, (masks: Masks, how: unknown, graph?: Graph) => Uint8Array>;

export type MaskFormat = keyof typeof writers;

/** Names of the formats, for help. */
export const maskFormats = Object.keys(writers) as MaskFormat[];

/**
 * The bytes of a file of masks. As safetensors (the default) one bit a weight with hashes and with `how`, which may be the options of
 * `prune` or anything else that JSON can hold (Infinity and functions become words); `readMasks` gives both back.
 * @throws BurinError `argument` for what are no masks, an unknown format, for smtx several masks or no network; `limit` for files too large
 */
export function writeMasks(masks: Masks, how: unknown = {}, options: WriteMasksOptions = {}): Uint8Array {
  checkMasks(masks, 'writeMasks');
  expectOptions(options, 'writeMasks options');
  return lookUp(writers, options.format ?? 'safetensors', 'option format')(masks, how, options.graph);
}
