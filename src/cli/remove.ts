import type { Graph } from '../graph/graph.ts';
import { count, several, times } from '../measure/words.ts';
import type { RemovalReport } from '../prune/index.ts';
import { shapesFrom, type Arguments, type Io, type Options } from './command.ts';

export const removeOptions = {
  remove: { type: 'boolean', about: 'take dead channels out: a plain smaller network, the same results' },
} satisfies Options;

/** `params 11.7 M → 3.06 M (3.83×), multiply-adds …`, and what stayed though it could go. */
function summaryOf({ params, macs, kept, borders, open }: RemovalReport): string {
  const change = (name: string, { before, after }: { before: number; after: number }): string =>
    `${name} ${count(before)} → ${count(after)} (${times(before / Math.max(1, after))})`;
  const reasons = new Map<string, number>();
  for (const { why, channels } of kept) reasons.set(why, (reasons.get(why) ?? 0) + channels.length);
  const images = borders.reduce((sum, { elements }) => sum + elements, 0);
  return [
    `${change('parameters', params)}, ${change('multiply-adds', macs)}${open ? ' at an example size' : ''}`,
    ...(images ? [`${count(images)} numbers for the borders of ${several(borders.length, 'layer')}`] : []),
    ...Array.from(reasons, ([why, channels]) => `${several(channels, 'channel')} stayed: ${why}`),
  ].join('\n');
}

/** The network without its dead channels; says what became of it. */
export async function removedFrom(graph: Graph, { args, io }: { args: Arguments; io: Io }): Promise<Graph> {
  const { removeChannels } = await import('../prune/index.ts'), shapes = shapesFrom(args.texts('shape'));
  const { graph: small, report } = removeChannels(graph, Object.keys(shapes).length ? { shapes } : {});
  io.out(`${summaryOf(report)}\n`);
  return small;
}
