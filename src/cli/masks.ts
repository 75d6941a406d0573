import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { expect, fail } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import { prunableLayers } from '../graph/layers.ts';
import type { MasksFor } from '../io/masks/index.ts';
import { several } from '../measure/words.ts';
import type { Mask, Masks } from '../prune/index.ts';
import { UsageError, type Arguments, type Io, type Options } from './command.ts';
import { inFileAsync, readBytes } from './files.ts';

/** A mask of another tool. */
export const maskOptions = {
  mask: { type: 'string', value: 'FILE', about: 'prune by masks: ours, PyTorch, TF-MOT, .npz, .npy, .smtx (or a folder), pruned networks' },
  'mask-name': { type: 'string', value: 'WEIGHT', about: 'the weight that a file of one mask without a name is of' },
  'mask-layout': { type: 'string', value: 'NAME', about: 'how the masks lie; found by shape if absent' },
} satisfies Options;

export interface MaskSource {
  readonly path: string;
  readonly name?: string;
  readonly layout?: string;
}

/** Which mask file the command line names, checked before any model is read. */
export async function maskFrom(args: Arguments): Promise<MaskSource | undefined> {
  const path = args.text('mask'), name = args.text('mask-name');
  const layout = args.choice('mask-layout', Object.keys((await import('../prune/index.ts')).layouts));
  const idle = Object.keys(maskOptions).find((key) => key !== 'mask' && args.has(key));
  if (idle && !path) throw new UsageError(`--${idle} needs --mask FILE`);
  return path ? { path, name, layout } : undefined;
}

/** Masks left out that are named one by one. */
const MOST_SHOWN = 12;

type Found = Pick<MasksFor, 'masks' | 'unmatched'> & { readonly kind: string };

/** The masks of a file, or of every `.smtx` in a folder, which are named after their weights. */
async function masksAt(path: string, graph: Graph, { name, layout }: Omit<MaskSource, 'path'>): Promise<Found> {
  const { readMasksFor } = await import('../io/masks/index.ts');
  const read = async (file: string, own: string | undefined): Promise<MasksFor> => {
    const bytes = await readBytes(file);
    return inFileAsync(file, () => readMasksFor(graph, bytes, { name: own, layout: layout as never }));
  };
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return read(path, name);
  const files = (await readdir(path)).filter((file) => file.endsWith('.smtx')).sort(), masks = new Map<string, Mask>();
  if (files.length === 0) fail({ kind: 'file', where: path, needs: 'a folder of .smtx files', got: 'none' });
  for (const file of files) {
    const [[weight, mask]] = (await read(join(path, file), weightOf(file))).masks;
    expect(!masks.has(weight), { kind: 'file', where: join(path, file), needs: 'a weight of its own', got: `one more of '${weight}'` });
    masks.set(weight, mask);
  }
  return { masks, kind: 'a folder of matrices', unmatched: [] };
}

/** The weight that a file is named after. */
function weightOf(file: string): string {
  const name = file.slice(0, -'.smtx'.length);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The network with the masks of a file, and what became of them. */
export async function maskedBy(graph: Graph, { path, name, layout }: MaskSource, io: Io): Promise<{ graph: Graph; masks: Masks }> {
  const { applyMasks } = await import('../prune/index.ts');
  const { masks, kind, unmatched } = await masksAt(path, graph, { name, layout });
  for (const { mask, why } of unmatched.slice(0, MOST_SHOWN)) io.err(`mask left out: ${mask}: ${why}\n`);
  if (unmatched.length > MOST_SHOWN) io.err(`… and ${several(unmatched.length - MOST_SHOWN, 'mask')} more left out\n`);
  io.err(`${several(masks.size, 'mask')} of ${path} (${kind})\n`);
  return { graph: applyMasks(graph, masks), masks };
}

/** Formats by the ending of a file; a path that ends in a slash is a folder of matrices. */
const formatsOf = { '.safetensors': 'safetensors', '.npz': 'npz', '.smtx': 'smtx' } as const;

/** @throws UsageError for a path to save masks at whose ending says no format */
export function checkMaskPath(path: string): void {
  const known = path.endsWith('/') || Object.hasOwn(formatsOf, extname(path).toLowerCase());
  const endings = Object.keys(formatsOf).join(', ');
  if (!known) throw new UsageError(`--save-masks needs a file that ends in ${endings}, or a FOLDER/, got '${path}'`);
}

/** The files that masks make, by path: one, or of a folder one a layer, named after its weight. */
export async function maskFilesOf(
  path: string, masks: Masks, { graph, how }: { readonly graph: Graph; readonly how: unknown },
): Promise<Map<string, Uint8Array>> {
  const { writeMasks } = await import('../io/masks/index.ts');
  if (!path.endsWith('/')) {
    const format = formatsOf[extname(path).toLowerCase() as keyof typeof formatsOf];
    return new Map([[path, writeMasks(masks, how, { format, graph })]]);
  }
  const weights = prunableLayers(graph).map(({ weight }) => weight).filter((weight) => masks.has(weight));
  return new Map(weights.map((weight) => [
    join(path, `${encodeURIComponent(weight)}.smtx`), writeMasks(new Map([[weight, masks.get(weight)!]]), how, { format: 'smtx', graph }),
  ]));
}
