import type { Graph } from '../../src/graph/graph.ts';
import type { Tensor } from '../../src/tensor.ts';

export type Feeds = Readonly<Record<string, Tensor>>;

/** A network loaded into another engine, its weights where that engine wants them. */
export interface Loaded {
  /** One inference, from feeds in our memory to outputs in our memory, on one thread. This is what is timed. */
  run(): Promise<void>;
  /** The outputs of the last run, in the graph's own shapes; runs once where nothing ran yet. */
  outputs(): Promise<Record<string, Tensor>>;
  dispose(): void;
}

/** Another engine to be compared with, on the same graph and the same feeds. */
export interface Peer {
  readonly name: string;
  /** Where it runs. */
  readonly where: 'node' | 'chromium';
  /** Whether its package is here and starts. */
  available(): Promise<boolean>;
  version(): Promise<string>;
  /**
   * Takes a graph as a reader or the zoo gives it: the peer does its own optimising.
   * @throws BurinError `unsupported` where the engine (or our bridge to it) lacks an operator.
   */
  load(graph: Graph, feeds: Feeds): Promise<Loaded>;
}
