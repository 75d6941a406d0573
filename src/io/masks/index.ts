import { expect, expectOptions, fail, show } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import type { LayoutName } from '../../prune/masks/layouts.ts';
import { maskFrom, type Mask } from '../../prune/masks/mask.ts';
import { masksOf, type Masks } from '../../prune/masks/masks.ts';
import { matchMasks, type MatchedMasks, type MatchOptions } from '../../prune/masks/match.ts';
import { numbersOf, type Tensor } from '../../tensor.ts';
import { bytesFrom } from '../bytes.ts';
import { looksLikeModel, readModel } from '../index.ts';
import { readNpy } from '../npy.ts';
import { readNpz } from '../npz.ts';
import { looksLikeSafetensors, readSafetensors } from '../safetensors.ts';
import { readSmtx } from '../smtx.ts';
import { looksLikeZip } from '../zip.ts';
import { isMaskFile, masksOfFile, type Json } from './file.ts';
import { foreignMasks } from './foreign.ts';

export { maskFormats, writeMasks, type MaskFormat, type WriteMasksOptions } from './write.ts';
export type { Json } from './file.ts';

export interface ReadMasksOptions {
  /**
   * Of the weight, for files that hold one mask without its name: `.smtx` and `.npy`. A matrix of `.smtx` is O × I·KH·KW: `readMasksFor`
   * lays it as the weight lies, or `matchMasks` with the file's `layout`.
   */
  readonly name?: string;
  /** Bytes to which a compressed file may inflate. Default 2 GiB. */
  readonly mostBytes?: number;
}

export interface MaskFile {
  /**
   * What the file was taken for: masks of ours; PyTorch's pruning; TensorFlow Model Optimization; masks by name; pruned weights by name,
   * where zeros were dropped; one matrix; a pruned network.
   */
  readonly kind: 'burin' | 'torch' | 'tfmot' | 'masks' | 'weights' | 'matrix' | 'network';
  readonly masks: Masks;
  /** How the masks were made, where a file of ours says it. */
  readonly how: Json;
  /** Masked weights, where the file holds them. They may be views of its bytes. */
  readonly weights: ReadonlyMap<string, Tensor<Float32Array>>;
  /** How the masks lie, where the kind of file tells, for `matchMasks`. */
  readonly layout?: readonly LayoutName[];
  /** Arrays of the file that are no masks and no weights. */
  readonly skipped: readonly string[];
}

const bare = { how: null, weights: new Map<string, Tensor<Float32Array>>(), skipped: [] };

function safetensorsMasks(bytes: Uint8Array): MaskFile {
  const file = readSafetensors(bytes);
  if (isMaskFile(file)) return { ...bare, kind: 'burin', layout: ['stored'], ...masksOfFile(file) };
  return { how: null, ...foreignMasks(file.tensors) };
}

async function npzMasks(bytes: Uint8Array, { mostBytes }: ReadMasksOptions): Promise<MaskFile> {
  return { how: null, ...foreignMasks(await readNpz(bytes, { mostBytes })) };
}

function oneMask(mask: Mask, name: string | undefined): MaskFile {
  expect(name !== undefined, {
    kind: 'argument', where: 'mask file of one matrix', needs: 'the name of its weight', got: 'none', remedy: 'say it in options.name',
  });
  return { ...bare, kind: 'matrix', masks: new Map([[name, mask]]), layout: ['matrix', 'stored'] };
}

function npyMask(bytes: Uint8Array, name: string | undefined): MaskFile {
  const array = readNpy(bytes);
  return { ...oneMask(maskFrom(numbersOf(array), array.dims), name), layout: undefined };
}

function smtxMask(bytes: Uint8Array, name: string | undefined): MaskFile {
  const { rows, cols, values } = readSmtx(bytes);
  return oneMask(maskFrom(values, [rows, cols]), name);
}

async function networkMasks(bytes: Uint8Array): Promise<MaskFile> {
  const graph = await readModel(bytes), masks = masksOf(graph);
  const weights = new Map(Array.from(masks.keys(), (name) => [name, graph.constants.get(name) as Tensor<Float32Array>]));
  return { ...bare, kind: 'network', masks, weights };
}

interface Kind {
  readonly looksSo: (bytes: Uint8Array) => boolean;
  readonly read: (bytes: Uint8Array, options: ReadMasksOptions) => MaskFile | Promise<MaskFile>;
}

const beginsWith = (pattern: RegExp) => (bytes: Uint8Array): boolean => pattern.test(String.fromCharCode(...bytes.subarray(0, 16)));

/** Told by their first bytes. */
const kinds: Readonly<Record<string, Kind>> = {
  safetensors: { looksSo: looksLikeSafetensors, read: safetensorsMasks },
  npz: { looksSo: looksLikeZip, read: npzMasks },
  npy: { looksSo: beginsWith(/^\x93NUMPY/), read: (bytes, { name }) => npyMask(bytes, name) },
  smtx: { looksSo: beginsWith(/^\s*(%|\d+[\s,])/), read: (bytes, { name }) => smtxMask(bytes, name) },
  'ONNX or TFLite': { looksSo: looksLikeModel, read: networkMasks },
};

/**
 * The masks of a file, whichever tool wrote it: our own, safetensors of PyTorch's pruning (`weight_orig`, `weight_mask`) or of masks or
 * pruned weights by name, `.npz` of TensorFlow Model Optimization (`mask:0` beside `kernel:0`) or of masks or pruned weights by name,
 * `.npy` and `.smtx` of one mask; or an ONNX or TFLite network that was pruned. The kind is told by the content. Names and layouts are
 * the tool's: `matchMasks` brings them in line with a network, and `readMasksFor` does both.
 * @throws BurinError `file` for bytes that are none of these or damaged (a hash that does not fit), `unsupported` for types and
 * versions we do not read, `argument` where one mask needs a name, `limit` for files too large
 */
export async function readMasks(file: Uint8Array | ArrayBuffer, options: ReadMasksOptions = {}): Promise<MaskFile> {
  const bytes = bytesFrom(file, 'readMasks');
  expectOptions(options, 'readMasks options');
  const kind = Object.values(kinds).find(({ looksSo }) => looksSo(bytes));
  return kind ? kind.read(bytes, options) : fail({
    kind: 'file', where: 'mask file', needs: `a file of ${Object.keys(kinds).join(', ')}`, got: bytes.length ? 'other bytes' : 'no bytes',
  });
}

export type MasksFor = MatchedMasks & Pick<MaskFile, 'kind' | 'how' | 'skipped'>;

/**
 * The masks of a file, by the weights of this network and in their layout: {@link readMasks}, then `matchMasks`.
 * @throws BurinError as both do, and `argument` where no mask belongs to the network
 */
export async function readMasksFor(
  graph: Graph, file: Uint8Array | ArrayBuffer, options: ReadMasksOptions & MatchOptions = {},
): Promise<MasksFor> {
  const { masks, layout, kind, how, skipped } = await readMasks(file, options);
  const matched = matchMasks(graph, masks, { layout: options.layout ?? layout, names: options.names });
  expect(matched.masks.size > 0, {
    kind: 'argument', where: 'mask file', needs: 'masks of weights of this network', got: show([...masks.keys()]),
    remedy: 'say in options.names which mask belongs to which weight',
  });
  return { ...matched, kind, how, skipped };
}
