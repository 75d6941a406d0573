import type { Kernel } from '../kernels.ts';

/** A field of a kernel's record: a number, an address, another call whose record is meant, or a kernel's place in the table. */
export type FieldValue = number | Call | { readonly kernel: string };

/** One kernel with its record; fields left out are 0. */
export interface Call {
  readonly kernel: string;
  readonly job: Readonly<Record<string, FieldValue>>;
}

/** Lists of calls that several threads run at the same time: nothing that one list writes may be read or written by another. */
export type Phase = readonly (readonly Call[])[];

/** A piece of a program, done before the next begins. */
export type Work = Call | Phase;

/** Work written where the device can run it, in order. */
export interface Program {
  readonly length: number;
  /** Runs works [from, to). */
  run(from?: number, to?: number): void;
  dispose(): void;
}

export interface MemoryUse {
  /** Bytes in use, and bytes the engine holds. */
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/**
 * A device: bytes and dispatch, no operation in it. Addresses are byte offsets in the device's memory, multiples of 64;
 * a block has at least 64 bytes of room after its end, because kernels may write whole vectors.
 */
export interface Backend {
  readonly name: string;
  /** What was found, for reports: 'relaxed', 'plain' or 'none'. */
  readonly simd: 'relaxed' | 'plain' | 'none';
  /** Threads that share the work; 1: the caller alone. */
  readonly threads: number;
  /** Why there are fewer threads than were asked for. */
  readonly whyFewer?: string;
  /** The kernels it has, by name; an operator without one runs in plain loops on the host. */
  readonly kernels: ReadonlyMap<string, Kernel>;
  /** Zeroed memory. @throws BurinError `limit` when there is none left. */
  alloc(bytes: number): number;
  free(address: number): void;
  /** A view, valid until the next `alloc`. */
  bytes(address: number, length: number): Uint8Array;
  program(works: readonly Work[]): Program;
  memory(): MemoryUse;
  dispose(): void;
}
