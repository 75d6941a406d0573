import type { Backend } from '../../backends/index.ts';
import { roundUp } from '../../backends/memory.ts';
import type { Tensor } from '../../tensor.ts';
import type { Typed } from '../../graph/graph.ts';

/** What an operator's lowering may ask: where values lie, constants uploaded once, and scratch memory for one step. */
export interface Context {
  readonly backend: Backend;
  /** Address of a value of the graph. */
  address(name: string): number;
  typed(name: string): Typed;
  /** The data of a constant, undefined for a value that is computed. */
  constant(name: string): Tensor | undefined;
  /** Address of data that is made and uploaded once for each key. */
  upload(key: string, make: () => ArrayBufferView): number;
  /** Address of `bytes` bytes that are free until the step ends. */
  scratch(bytes: number): number;
}

/** Scratch memory of a step: handed out upwards from one base, and measured. */
export class Scratch {
  #next = 0;
  #most = 0;
  base = 0;

  get mostBytes(): number { return this.#most; }

  take(bytes: number): number {
    const at = this.base + this.#next;
    // Room after each piece for kernels that write whole vectors.
    this.#next += roundUp(bytes + 64, 64);
    this.#most = Math.max(this.#most, this.#next);
    return at;
  }

  /** Everything is free again: a new step begins. */
  reset(): void {
    this.#next = 0;
  }
}
