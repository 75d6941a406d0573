import type { Kernel } from '../kernels.ts';

/** A field of a kernel's record: a number, an address, another call whose record is meant, or a kernel's place in the table. */
export type FieldValue = number | Call | { readonly kernel: string };

/** One kernel with its record; fields left out are 0. */
export interface Call {
  readonly kernel: string;
  readonly job: Readonly<Record<string, FieldValue>>;
}

/** Calls written where the device can run them, in order. */
export interface Program {
  readonly length: number;
  /** Runs calls [from, to). */
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
  /** The kernels it has, by name; an operator without one runs in plain loops on the host. */
  readonly kernels: ReadonlyMap<string, Kernel>;
  /** Zeroed memory. @throws BurinError `limit` when there is none left. */
  alloc(bytes: number): number;
  free(address: number): void;
  /** A view, valid until the next `alloc`. */
  bytes(address: number, length: number): Uint8Array;
  program(calls: readonly Call[]): Program;
  memory(): MemoryUse;
  dispose(): void;
}
