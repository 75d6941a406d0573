// The script of a thread: waits for a run, takes part in it, waits again. It imports nothing, so that an app whose bundler does not follow
// `new URL(…, import.meta.url)` can put this one file beside its bundle.

/** What the threads of a pool watch, each array in shared memory. */
export interface Board {
  /** Changes whenever there is something to do. */
  readonly signal: Int32Array;
  /** Messages posted to each worker so far. */
  readonly posted: Int32Array;
  /** The number of the run that is open, 0 between runs, and how many workers are in it. */
  readonly gate: Int32Array;
  readonly inside: Int32Array;
  /** What the run is: the engine, the address of the phases and their number. Holds still while a worker is inside. */
  readonly task: Int32Array;
}

/** An engine joins with its code, its memory and the address of the words its threads watch; it leaves by name. The board comes first. */
export type Message =
  | { readonly kind: 'board'; readonly board: Board; readonly thread: number; readonly spins: number }
  | { readonly kind: 'join'; readonly engine: number; readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory;
    readonly sync: number }
  | { readonly kind: 'leave'; readonly engine: number };

/** After every message: which engine it was about, and what went wrong. */
export interface Answer { readonly engine?: number; readonly error?: string }

interface Port { onmessage: (event: { data: Message }) => void; postMessage(answer: Answer): void }
type Join = Extract<Message, { kind: 'join' }>;
interface Member { share(phases: number, count: number): void }

/** How long a thread looks for the next run before it sleeps, and looks between two looks at the clock. */
const LOOK_MS = 1;
const LOOKS = 100;

const members = new Map<number, Member>();
let watched: Extract<Message, { kind: 'board' }> | undefined, received = 0, seen = 0;

const handlers: { readonly [K in Message['kind']]: (message: never) => void } = {
  board: (message: Extract<Message, { kind: 'board' }>) => { watched = message; },
  join: (message: Join) => { members.set(message.engine, memberOf(message)); },
  leave: ({ engine }: { engine: number }) => { members.delete(engine); },
};

const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => { parentPort?: Port | null } | undefined } };
const port = process?.getBuiltinModule?.('node:worker_threads')?.parentPort ?? (globalThis as unknown as Port);
port.onmessage = ({ data }) => {
  received++;
  const engine = 'engine' in data ? data.engine : undefined;
  try {
    handlers[data.kind](data as never);
    port.postMessage({ engine });
  } catch (error) {
    port.postMessage({ engine, error: String(error) });
  }
  if (watched) serve(watched.board);
};

/** The same code over the same memory as the first thread's, kernels at the same places of the table: the order of the exports. */
function memberOf({ module, memory, sync }: Join): Member {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } }), { thread, spins } = watched!;
  const table = exports.table as WebAssembly.Table, share = exports.share as (...args: number[]) => void;
  for (const item of Object.values(exports)) if (typeof item === 'function') table.set(table.grow(1), item);
  return {
    share(phases, count) {
      try {
        share(phases, count, sync, thread, spins);
      } catch {
        // Words 64 bytes apart, see assembly/threads.ts: the others see all parts done, then that a thread failed, and trap.
        const words = new Int32Array(memory.buffer, sync);
        Atomics.store(words, 48, 1);
        Atomics.add(words, 16, 1 << 30);
        Atomics.notify(words, 16);
      }
    },
  };
}

/** Runs what there is to run until a message comes; messages are read by going back to the event loop. */
function serve(board: Board): void {
  while (Atomics.load(board.posted, 0) === received) {
    const signal = Atomics.load(board.signal, 0), run = Atomics.load(board.gate, 0);
    if (run !== 0 && run !== seen) enter(board, run);
    else if (Atomics.load(board.posted, 0) === received) rest(board.signal, signal);
  }
}

/** Takes part in a run if it is still open: whoever closes it waits for those inside. */
function enter({ gate, inside, task }: Board, run: number): void {
  Atomics.add(inside, 0, 1);
  if (Atomics.load(gate, 0) === run) members.get(task[0])?.share(task[1], task[2]);
  seen = run;
  if (Atomics.sub(inside, 0, 1) === 1) Atomics.notify(inside, 0);
}

function rest(signal: Int32Array, last: number): void {
  for (const end = performance.now() + LOOK_MS; performance.now() < end;) {
    for (let i = 0; i < LOOKS; i++) if (Atomics.load(signal, 0) !== last) return;
  }
  Atomics.wait(signal, 0, last);
}
