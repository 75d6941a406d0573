import { extname } from 'node:path';
import type { Graph } from '../graph/graph.ts';
import { several } from '../measure/words.ts';
import type { Masks } from '../prune/index.ts';
import { UsageError, type Arguments, type Io, type Options } from './command.ts';
import { inFileAsync, readBytes, write } from './files.ts';

/** A mask of another tool. */
export const maskOptions = {
  mask: { type: 'string', value: 'FILE', about: 'prune by masks: ours, of PyTorch, TF-MOT, .npz, .npy, .smtx, or a pruned network' },
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

/** The network with the masks of a file, and what became of them. */
export async function maskedBy(graph: Graph, { path, name, layout }: MaskSource, io: Io): Promise<{ graph: Graph; masks: Masks }> {
  const bytes = await readBytes(path), [{ readMasksFor }, { applyMasks }] = await Promise.all([
    import('../io/masks/index.ts'), import('../prune/index.ts'),
  ]);
  const options = { name, layout: layout as never };
  const { masks, kind, unmatched } = await inFileAsync(path, () => readMasksFor(graph, bytes, options));
  for (const { mask, why } of unmatched.slice(0, MOST_SHOWN)) io.err(`mask left out: ${mask}: ${why}\n`);
  if (unmatched.length > MOST_SHOWN) io.err(`… and ${several(unmatched.length - MOST_SHOWN, 'mask')} more left out\n`);
  io.err(`${several(masks.size, 'mask')} of ${path} (${kind})\n`);
  return { graph: applyMasks(graph, masks), masks };
}

/** Which format the ending of a file asks for. */
const formatOf = (path: string): string => (['.npz', '.smtx'].includes(extname(path)) ? extname(path).slice(1) : 'safetensors');

/** Writes masks with how they were made. */
export async function saveMasks(path: string, masks: Masks, { graph, how }: { graph: Graph; how: unknown }): Promise<void> {
  const { writeMasks } = await import('../io/masks/index.ts');
  await write(path, writeMasks(masks, how, { format: formatOf(path) as never, graph }));
}
