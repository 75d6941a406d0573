import type { Matrix } from '../../src/formats/index.ts';

/** A sparse product loaded into a library: A[rows × cols] in its own sparse form, B[cols × n] in the form it multiplies by. */
export interface LoadedProduct {
  /** C = A·B once, in the library's own form. This is what is timed. */
  run(): void;
  /** C[rows × n] of the last run, row-major. */
  result(): Float64Array;
}

/** A library a JavaScript user would otherwise take for a sparse product. */
export interface SparsePeer {
  readonly name: string;
  version(): Promise<string>;
  /** @param b B[cols × n], row-major */
  load(a: Matrix, b: Float32Array, n: number): Promise<LoadedProduct>;
}
