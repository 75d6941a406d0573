import type { BenchLayer } from '../src/measure/cases.ts';
import { fill } from '../src/measure/feeds.ts';
import { timeTogether } from '../src/measure/time.ts';
import { SparseSession } from '../src/runtime/session.ts';
import { plainGraph } from './plain-layer.ts';
import { rivals } from './race.ts';

/** A layer on other engines and on ours, all called through a session with feeds: what an app sees of one layer. */
export interface PeerRow {
  readonly layer: string;
  readonly engine: string;
  readonly version: string;
  readonly medianMs: number;
  readonly gflops: number;
}

/** One dense layer as a network of its own in every engine, in turns. */
export async function peerRows(layer: BenchLayer): Promise<PeerRow[]> {
  const graph = plainGraph(layer), [input] = graph.inputs, feeds = { x: fill(input, input.dims as number[], 'random', 1) };
  const session = await SparseSession.create(graph, { formats: ['dense'] });
  const loaded = await Promise.all(Object.values(rivals).map(async ({ peer, graphFor }) =>
    ({ peer, version: await peer.version(), run: await peer.load(graphFor(graph), feeds) })));
  try {
    const macs = (await session.prepare()).reduce((sum, one) => sum + one.macs, 0);
    const others = loaded.map(({ peer, run }) => [peer.name, () => run.run()] as const);
    const times = await timeTogether<string>({ burin: () => session.run(feeds), ...Object.fromEntries(others) }, { samples: 20 });
    return Object.entries(times).map(([engine, { medianMs }]) => ({
      layer: graph.name, engine, version: loaded.find(({ peer }) => peer.name === engine)?.version ?? '',
      medianMs, gflops: (2 * macs) / medianMs / 1e6,
    }));
  } finally {
    session.release();
    for (const { run } of loaded) run.dispose();
  }
}
