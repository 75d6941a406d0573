import type { Graph } from '../../graph/graph.ts';
import type { CostTable } from './costs.ts';
import type { Meter, Timed } from './meter.ts';
import type { Allocation, Model } from './model.ts';
import type { Settings } from './options.ts';
import type { Scored } from './shares.ts';
import type { Masked } from './structures.ts';

/** What an allocation became: the network, and how it runs where it was measured. */
export interface Built {
  readonly allocation: Allocation;
  /** Absent once another attempt took its place: large networks are held once. */
  masked?: Masked;
  timed?: Timed;
}

/** A budget on its way. Milliseconds inside are those of the cost table, whose device had `costs.denseMs` for the dense network. */
export interface Job {
  readonly graph: Graph;
  readonly settings: Settings;
  readonly scored: ReadonlyMap<string, Scored>;
  readonly costs: CostTable;
  readonly model: Model;
  readonly modelFor: (costs: CostTable) => Model;
  /** Absent where nothing is measured. */
  readonly meter?: Meter;
  readonly targetMs: () => number;
}
