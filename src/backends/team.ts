import { maySleep, SPINS, type Pool } from './pool.ts';

/** Words that the threads of an engine watch, a cache line each: see assembly/threads.ts. */
const LINE_BYTES = 64;
const WORDS = { run: 0, done: 1, asleep: 2, failed: 3 } as const;

interface Parts {
  readonly pool: Pool;
  readonly threads: number;
  readonly engine: number;
  readonly memory: WebAssembly.Memory;
  /** Address of the words. */
  readonly sync: number;
  /** Takes part in a run: the driver of assembly/threads.ts. */
  readonly share: (phases: number, count: number, sync: number, thread: number, spins: number) => void;
}

/** The threads of one engine: the caller and a pool's workers. */
export class Team {
  static readonly bytes = Object.keys(WORDS).length * LINE_BYTES;
  readonly #parts: Parts;
  readonly #spins = maySleep() ? SPINS : 0;
  #run = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get threads(): number { return this.#parts.threads; }

  /** Runs `count` phases; comes back when all are done. @throws what the engine threw, when every thread has left. */
  run(phases: number, count: number): void {
    const { pool, engine, sync, share } = this.#parts;
    pool.settle();
    // A number that no part is marked with: parts begin with 0.
    this.#run = (this.#run + 1) >>> 0 || 1;
    this.#set({ run: this.#run, done: 0 });
    pool.open(engine, phases, count);
    try {
      share(phases, count, sync, 0, this.#spins);
    } catch (error) {
      this.#fail();
      throw error;
    } finally {
      pool.close();
    }
  }

  /** Waits until no worker looks at the memory: what it may look at can then be freed. */
  settle(): void {
    this.#parts.pool.settle();
  }

  dispose(): void {
    this.#parts.pool.leave(this.#parts.engine);
  }

  #set(values: Partial<Record<keyof typeof WORDS, number>>): void {
    const words = new Int32Array(this.#parts.memory.buffer, this.#parts.sync);
    for (const [word, value] of Object.entries(values)) Atomics.store(words, (WORDS[word as keyof typeof WORDS] * LINE_BYTES) / 4, value);
  }

  /** One thread failed: the others are told, and the words are made anew when all have left. */
  #fail(): void {
    const { pool, memory, sync } = this.#parts, words = new Int32Array(memory.buffer, sync), done = (WORDS.done * LINE_BYTES) / 4;
    pool.close();
    this.#set({ failed: 1 });
    Atomics.add(words, done, 1 << 30);
    Atomics.notify(words, done);
    pool.settle();
    this.#set({ asleep: 0, failed: 0 });
  }
}
