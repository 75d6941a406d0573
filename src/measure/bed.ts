import type { Matrix } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import type { Environment } from '../runtime/environment.ts';
import type { Tensor } from '../tensor.ts';
import type { Machine } from './roofline.ts';

// What kernels are timed on: a layer lies in a bed on a device.

/** One kernel with one way to store the weight, ready to run. */
export interface Entrant {
  /** `dense`, `csr`, `bsr 4x1`, `nm 2:4`. */
  readonly format: string;
  readonly kernel: string;
  /** One run. On a GPU a promise of its end. */
  readonly run: () => unknown;
}

/** Which entrants are asked for. */
export interface Wanted {
  /** Every kernel; else where they are many the most promising. */
  readonly all: boolean;
  /** Sparse formats, as `csr`, `bsr` or `bsr 4x1`; all where absent. */
  readonly formats?: readonly string[];
}

/** Whether a format is asked for, by its own name or by that of all its blocks. */
export const isWanted = ({ formats }: Wanted, name: string): boolean =>
  !formats || formats.includes(name) || formats.includes(name.split(' ')[0]);

/** A layer on a device, its weight to be stored in any way that fits it. */
export interface Bed<E extends Entrant> {
  readonly matrix: Matrix;
  /** What can run it with the weight stored dense, or in every sparse format that fits. */
  readonly entrants: (dense: boolean, wanted: Wanted) => Promise<E[]>;
  /** An entrant's kernel and format on this bed's weight, every position stored; undefined where the kernel cannot run that. */
  readonly identity?: (entrant: E) => Promise<E | undefined>;
  /** Puts the input in place and NaN where the output will be. */
  readonly reset: () => void | Promise<void>;
  readonly output: () => Float32Array | Promise<Float32Array>;
  readonly dispose: () => void;
}

export interface Timing {
  readonly medianMs: number;
  readonly spreadMs: number;
}

/** Times by the names of what was timed, and 10^9 FLOPs a second of the ceiling beside them, where there is one. */
export interface Times {
  readonly of: Readonly<Record<string, Timing>>;
  readonly peak?: number;
}

/** How carefully a race is timed. `dense`: beside the ceiling of the device; `short`: a few samples, to leave the slow ones out. */
export type Race = 'dense' | 'sparse' | 'short';

export interface BenchDevice<E extends Entrant = Entrant> {
  readonly environment: Environment;
  /** What one thread can do at best; absent on a GPU, of which no such thing can be measured from here. */
  readonly ceiling?: Machine;
  readonly bed: (graph: Graph, x: Tensor) => Bed<E> | Promise<Bed<E>>;
  /** Times entrants in turns. */
  readonly time: (entrants: Readonly<Record<string, E>>, race: Race) => Promise<Times>;
}
