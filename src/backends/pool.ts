import type { Answer, Board, Message } from './worker.ts';

/** A worker of Node or of a browser, as far as a pool needs it. */
interface Thread {
  post(message: Message): void;
  /** Whether a process waits for it before it ends. */
  hold(held: boolean): void;
  stop(): void;
}

interface Listener { answer(answer: Answer): void; failed(why: string): void }

interface NodeWorker {
  on(event: string, listener: (value: never) => void): void;
  postMessage(message: Message): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}
type NodeWorkers = { Worker: new (url: URL, options: { execArgv: string[] }) => NodeWorker };
interface Host {
  readonly process?: { getBuiltinModule?: (name: string) => unknown; readonly versions?: { readonly node?: string } };
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly crossOriginIsolated?: boolean;
}

const host = globalThis as Host;
const nodeModule = <T>(name: string): T | undefined => host.process?.getBuiltinModule?.(name) as T | undefined;

/** Logical cores this process may use. */
export function coreCount(): number {
  const os = nodeModule<{ availableParallelism?: () => number }>('node:os');
  return os?.availableParallelism?.() ?? host.navigator?.hardwareConcurrency ?? 1;
}

/** Why threads cannot be had here, or undefined. */
export function whyNoThreads(): string | undefined {
  if (typeof SharedArrayBuffer !== 'undefined' && host.crossOriginIsolated !== false) return undefined;
  return 'the page is not isolated: serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
}

/** Whether this thread may sleep: the main thread of a browser may not. */
export function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
    return true;
  } catch {
    return false;
  }
}

/** Looks at what it waits for before a thread sleeps: about 0.1 ms, several times what waiting for the end of a phase takes. */
export const SPINS = 50_000;

/** Workers that serve every engine which asks for as many threads; they end with the last of them. */
export interface Pool {
  /** Gives the workers the code and memory of an engine. @throws Error where they cannot have them. */
  join(engine: { module: WebAssembly.Module; memory: WebAssembly.Memory; sync: number }): Promise<number>;
  /** Lets workers into a run; those that are still in the one before are waited for. */
  open(engine: number, phases: number, count: number): void;
  /** Lets no more in. */
  close(): void;
  /** Waits until no worker is in a run. */
  settle(): void;
  /** An engine goes; with engine undefined one that never came. */
  leave(engine?: number): void;
}

/** Looks at who is still in a run before this thread sleeps: they are on their way out. */
const SETTLE_LOOKS = 10_000;

interface Waiting { left: number; done(): void; failed(error: Error): void }

/** Threads that all watch one board. */
class Crew {
  readonly #board: Board = { signal: words(1), posted: words(1), gate: words(1), inside: words(1), task: words(3) };
  readonly #threads: readonly Thread[];
  readonly #waiting = new Map<number | undefined, Waiting>();
  readonly #sleeps = maySleep();
  #run = 0;
  #broken: string | undefined;

  constructor(workers: number, url: URL | string | undefined) {
    const listener = { answer: (answer: Answer) => this.#answer(answer), failed: (why: string) => this.#fail(why) };
    this.#threads = Array.from({ length: workers }, () => newThread(url, listener));
  }

  /** A message to every thread; the promise is kept when all have answered. */
  async send(messageFor: (thread: number) => Message): Promise<void> {
    if (this.#broken) throw new Error(this.#broken);
    const messages = this.#threads.map((_, i) => messageFor(i + 1)), [first] = messages, key = 'engine' in first ? first.engine : undefined;
    const answered = new Promise<void>((done, failed) => this.#waiting.set(key, { left: messages.length, done, failed }));
    for (const thread of this.#threads) thread.hold(true);
    Atomics.add(this.#board.posted, 0, 1);
    this.#threads.forEach((thread, i) => thread.post(messages[i]));
    this.#ring();
    try {
      await answered;
    } finally {
      this.#waiting.delete(key);
      if (this.#waiting.size === 0) for (const thread of this.#threads) thread.hold(false);
    }
  }

  /** What a thread is told first. */
  board(thread: number): Message {
    return { kind: 'board', board: this.#board, thread, spins: SPINS };
  }

  open(engine: number, phases: number, count: number): void {
    this.settle();
    this.#board.task.set([engine, phases, count]);
    this.#run = (this.#run + 1) & 0x7fffffff || 1;
    Atomics.store(this.#board.gate, 0, this.#run);
    this.#ring();
  }

  close(): void {
    Atomics.store(this.#board.gate, 0, 0);
  }

  settle(): void {
    const { inside } = this.#board;
    for (let looks = 0, n = Atomics.load(inside, 0); n > 0; n = Atomics.load(inside, 0)) {
      if (this.#sleeps && ++looks > SETTLE_LOOKS) Atomics.wait(inside, 0, n);
    }
  }

  stop(): void {
    for (const thread of this.#threads) thread.stop();
  }

  #fail(why: string): void {
    this.#broken = why;
    for (const waiting of this.#waiting.values()) waiting.failed(new Error(why));
  }

  #ring(): void {
    Atomics.add(this.#board.signal, 0, 1);
    Atomics.notify(this.#board.signal, 0);
  }

  #answer({ engine, error }: Answer): void {
    const waiting = this.#waiting.get(engine);
    if (!waiting) return;
    if (error) waiting.failed(new Error(error));
    else if (--waiting.left === 0) waiting.done();
  }
}

/** Shared words with a cache line to themselves. */
function words(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(64), 0, length);
}

/** A worker over worker.ts, or over the copy of it that an app names. */
function newThread(url: URL | string | undefined, listener: Listener): Thread {
  const node = host.process?.versions?.node ? nodeModule<NodeWorkers>('node:worker_threads') : undefined;
  // Flags of this process, as --input-type, may be none for a file.
  if (node) return nodeThread(new node.Worker(new URL(url ?? './worker.js', import.meta.url), { execArgv: [] }), listener);
  // Bundlers look for exactly this form.
  const worker = url
    ? new Worker(url, { type: 'module' })
    : new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Answer>) => listener.answer(data);
  worker.onerror = (event) => {
    event.preventDefault();
    listener.failed(`the worker script failed: ${event.message || 'it could not be loaded'}`);
  };
  return { post: (message) => worker.postMessage(message), hold: () => {}, stop: () => worker.terminate() };
}

function nodeThread(worker: NodeWorker, listener: Listener): Thread {
  worker.on('message', (answer: Answer) => listener.answer(answer));
  worker.on('error', (error: Error) => listener.failed(`the worker script failed: ${error.message}`));
  return {
    post: (message) => worker.postMessage(message),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    stop: () => worker.terminate(),
  };
}

interface Shared { readonly crew: Promise<Crew>; users: number }

const pools = new Map<string, Shared>();
let engines = 0;

async function newCrew(workers: number, url: URL | string | undefined): Promise<Crew> {
  const crew = new Crew(workers, url);
  try {
    await crew.send((thread) => crew.board(thread));
    return crew;
  } catch (error) {
    crew.stop();
    throw error;
  }
}

/** The pool of this many threads, the caller among them. @throws Error with the reason where there can be none. */
export async function joinPool(threads: number, url?: URL | string): Promise<Pool> {
  const key = `${threads} ${url ?? ''}`, pool = pools.get(key) ?? { crew: newCrew(threads - 1, url), users: 0 };
  pools.set(key, pool);
  pool.users++;
  const quit = (): void => {
    if (--pool.users > 0) return;
    if (pools.get(key) === pool) pools.delete(key);
    pool.crew.then((crew) => crew.stop(), () => {});
  };
  const crew = await pool.crew.catch((error: unknown) => { quit(); throw error; });
  return {
    async join(parts) {
      const engine = ++engines;
      await crew.send(() => ({ kind: 'join', engine, ...parts }));
      return engine;
    },
    open: (engine, phases, count) => crew.open(engine, phases, count),
    close: () => crew.close(),
    settle: () => crew.settle(),
    leave(engine) {
      crew.settle();
      if (engine !== undefined && pool.users > 1) crew.send(() => ({ kind: 'leave', engine })).catch(() => {});
      quit();
    },
  };
}
