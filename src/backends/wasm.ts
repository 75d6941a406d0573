import { BurinError, expect, fail } from '../expect.ts';
import { jobFor, jobs, parseKernel, type Kernel } from '../kernels.ts';
import type { Backend, Call, FieldValue, Program, Work } from './backend.ts';
import * as binaries from './binaries.ts';
import { Heap } from './memory.ts';
import { coreCount, joinPool, whyNoThreads, type Pool } from './pool.ts';
import { CALL_BYTES, listOf, PHASE_BYTES, phaseWords, sharedBefore } from './script.ts';
import { Team } from './team.ts';

const PAGE = 65536;
/** Memory a 32-bit WebAssembly module can ever have. */
const MOST_PAGES = 65536;
const FIRST_PAGES = 16;
/** Room in shared memory that a network needs at least: 256 MB. */
const LEAST_SHARED_PAGES = 4096;
/** Most threads that 'auto' takes: with more, the work between two barriers is too little. */
const MOST_AUTO = 8;

/** The smallest modules that use one instruction of each set: `v128.const`, `f32x4.relaxed_madd`. */
const PROBES = {
  plain: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 22, 1, 20, 0,
    253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11,
  ],
  relaxed: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0,
    10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
  ],
} as const;

export type Simd = keyof typeof PROBES;

/** Which SIMD this engine understands, best first. */
export function probe(): Simd[] {
  return (['relaxed', 'plain'] as const).filter((simd) => WebAssembly.validate(new Uint8Array(PROBES[simd])));
}

export interface WasmOptions {
  /** Which binary; the best the engine understands where absent. */
  readonly simd?: Simd;
  /** A compiled module of one of the two binaries, where compiling is forbidden (edge runtimes); it runs on one thread. */
  readonly module?: WebAssembly.Module;
  /** Where the script of the threads lies, a copy of `worker.js`, for apps whose bundler does not take it along. */
  readonly worker?: URL | string;
}

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The import of the memory in the binaries' text; the byte after it says whether the memory is shared. */
const MEMORY_IMPORT = '\x03env\x06memory\x02';
/** That byte, for a memory with a maximum. */
const LIMITS = { own: 1, shared: 3 } as const;

/** The module of one binary. The same code runs on memory of its own and on shared memory: only what the import asks for differs. */
function compile(simd: Simd, memory: keyof typeof LIMITS): Promise<WebAssembly.Module> {
  const key = `${simd} ${memory}`, cached = modules.get(key);
  if (cached) return cached;
  const text = atob(binaries[simd]), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  bytes[text.indexOf(MEMORY_IMPORT) + MEMORY_IMPORT.length] = LIMITS[memory];
  const module = WebAssembly.compile(bytes);
  modules.set(key, module);
  return module;
}

/**
 * A WebAssembly engine with a memory of its own, or, for several threads, with one that a pool of workers shares.
 * Where there can be no threads the engine runs on one, and says why.
 * @throws BurinError `device` where WebAssembly SIMD is missing.
 */
export async function createWasm(options: WasmOptions = {}, threads: number | 'auto' = 1): Promise<Backend> {
  const known = probe(), simd = options.simd ?? known[0];
  expect(simd && known.includes(simd), {
    kind: 'device', where: 'wasm backend', needs: 'WebAssembly SIMD',
    got: `an engine with ${known.join(', ') || 'none'}`,
    remedy: "use executionProviders: ['reference']",
  });
  const wanted = threads === 'auto' ? Math.min(coreCount(), MOST_AUTO) : threads;
  if (wanted === 1) return alone(simd, options);
  try {
    return await together(simd, options, wanted);
  } catch (error) {
    return alone(simd, options, error instanceof Error ? error.message : String(error));
  }
}

async function alone(simd: Simd, { module }: WasmOptions, whyFewer?: string): Promise<Backend> {
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES });
  return new WasmBackend({ simd, memory, exports: await instantiate(module ?? (await compile(simd, 'own')), memory), whyFewer });
}

/** @throws Error with the reason where threads, or memory for them, cannot be had. */
async function together(simd: Simd, { module: given, worker }: WasmOptions, threads: number): Promise<Backend> {
  const reason = given ? 'a module given as wasm.module cannot share its memory' : whyNoThreads();
  if (reason) throw new Error(reason);
  const pool = await joinPool(threads, worker);
  try {
    const module = await compile(simd, 'shared'), memory = sharedMemory();
    const backend = new WasmBackend({ simd, memory, exports: await instantiate(module, memory) });
    await backend.enlist(pool, threads, module);
    return backend;
  } catch (error) {
    pool.leave();
    throw error;
  }
}

/** The address space of shared memory is set aside at once: where there is not so much, less does. */
function sharedMemory(): WebAssembly.Memory {
  for (let maximum = MOST_PAGES; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch (error) {
      if (maximum <= LEAST_SHARED_PAGES) throw error;
    }
  }
}

/** At once where the engine allows that: a compiled module takes microseconds, a turn of the event loop more. */
async function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<WebAssembly.Exports> {
  const imports = { env: { memory } };
  try {
    return new WebAssembly.Instance(module, imports).exports;
  } catch (error) {
    // Some browsers refuse modules above 4 kB on the main thread.
    if (error instanceof RangeError) return (await WebAssembly.instantiate(module, imports)).exports;
    throw error;
  }
}

type Run = (program: number, count: number) => void;
/** Exports that are no kernels. */
const DRIVERS: readonly string[] = ['run', 'share'];

interface Engine { simd: Simd; memory: WebAssembly.Memory; exports: WebAssembly.Exports; whyFewer?: string }

class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly simd: Simd;
  readonly whyFewer?: string;
  readonly kernels: ReadonlyMap<string, Kernel>;
  readonly #exports: WebAssembly.Exports;
  readonly #places: ReadonlyMap<string, number>;
  readonly #run: Run;
  readonly #heap: Heap;
  #memory: WebAssembly.Memory | undefined;
  #team: Team | undefined;

  constructor({ simd, memory, exports, whyFewer }: Engine) {
    this.simd = simd;
    this.whyFewer = whyFewer;
    this.#memory = memory;
    this.#exports = exports;
    this.#run = exports.run as Run;
    const table = exports.table as WebAssembly.Table, places = new Map<string, number>();
    // In the order of the exports, as every thread does it (worker.ts).
    for (const [name, item] of Object.entries(exports)) {
      if (typeof item !== 'function') continue;
      const place = table.grow(1);
      table.set(place, item);
      places.set(name, place);
    }
    this.#places = places;
    this.kernels = new Map([...places.keys()].filter((name) => !DRIVERS.includes(name)).map((name) => [name, parseKernel(name)]));
    const base = exports.heap_base as WebAssembly.Global;
    this.#heap = new Heap(Number(base.value), (end) => this.#reach(end));
  }

  get threads(): number { return this.#team?.threads ?? 1; }

  /** Takes a pool's workers on. The memory must be shared. @throws Error where they cannot have it. */
  async enlist(pool: Pool, threads: number, module: WebAssembly.Module): Promise<void> {
    const memory = this.#memory!, sync = this.alloc(Team.bytes), share = this.#exports.share as (...args: number[]) => void;
    const engine = await pool.join({ module, memory, sync });
    this.#team = new Team({ pool, threads, engine, memory, sync, share });
  }

  alloc(bytes: number): number {
    const address = this.#heap.alloc(bytes);
    new Uint8Array(this.#buffer(), address, this.#heap.size(address)).fill(0);
    return address;
  }

  free(address: number): void {
    this.#heap.free(address);
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer(), address, length);
  }

  program(works: readonly Work[]): Program {
    const owned: number[] = [], team = this.#team, run = this.#run, { calls, starts } = listOf(works), shared = sharedBefore(works);
    const list = this.#put(calls.flatMap((call) => [this.#place(call.kernel), this.#write(call, owned)]), owned);
    const phases = team ? this.alloc(phaseWords(works, 0, 0).byteLength) : 0;
    if (team) {
      owned.push(phases);
      this.#words(phases, phaseWords(works, list, phases));
    }
    return {
      length: works.length,
      run: (from = 0, to = works.length) => {
        if (team && shared[to] > shared[from]) team.run(phases + from * PHASE_BYTES, to - from);
        else run(list + starts[from] * CALL_BYTES, starts[to] - starts[from]);
      },
      dispose: () => {
        team?.settle();
        for (const address of owned) this.free(address);
      },
    };
  }

  memory(): { usedBytes: number; totalBytes: number } {
    return { usedBytes: this.#heap.usedBytes, totalBytes: this.#memory?.buffer.byteLength ?? 0 };
  }

  dispose(): void {
    if (this.#memory) this.#team?.dispose();
    this.#memory = undefined;
  }

  #buffer(): ArrayBufferLike {
    return this.#memory?.buffer ?? fail({ kind: 'state', where: 'wasm backend', needs: 'an engine in use', got: 'one that was released' });
  }

  #reach(end: number): boolean {
    const memory = this.#memory;
    const missing = Math.ceil((end - this.#buffer().byteLength) / PAGE);
    if (!memory || missing <= 0) return true;
    // Growing costs a new mapping each time: ask for an eighth more than needed, where there is so much.
    const pages = memory.buffer.byteLength / PAGE, spare = Math.min(Math.ceil(missing + pages / 8), MOST_PAGES - pages);
    return [Math.max(missing, spare), missing].some((more) => {
      try {
        return memory.grow(more) >= 0;
      } catch {
        return false;
      }
    });
  }

  /** The kernel's place in the function table. */
  #place(name: string): number {
    return this.#places.get(name) ?? fail({ kind: 'argument', where: 'wasm backend', needs: 'a kernel it has', got: `'${name}'` });
  }

  /** Words at an address of their own. */
  #put(words: readonly number[], owned: number[]): number {
    const address = this.alloc(words.length * 4);
    owned.push(address);
    this.#words(address, words);
    return address;
  }

  #words(address: number, words: ArrayLike<number>): void {
    new Uint32Array(this.#buffer(), address, words.length).set(words);
  }

  /** Writes a call's record, and those it points to; their addresses go to `owned`. */
  #write(call: Call, owned: number[]): number {
    const layout = jobs[jobFor(this.kernels.get(call.kernel) ?? parseKernel(call.kernel))];
    for (const name of Object.keys(call.job)) {
      expect(layout.some(([field]) => field === name), {
        kind: 'argument', where: `kernel ${call.kernel}`, needs: 'a field of its record', got: `'${name}'`,
      });
    }
    const values = layout.map(([name]) => this.#resolve(call.job[name] ?? 0, owned));
    const address = this.alloc(layout.length * 4);
    owned.push(address);
    const view = new DataView(this.#buffer(), address, layout.length * 4);
    layout.forEach(([, kind], i) => {
      if (kind === 'f32') view.setFloat32(i * 4, values[i], true);
      else view.setUint32(i * 4, values[i], true);
    });
    return address;
  }

  #resolve(value: FieldValue, owned: number[]): number {
    if (typeof value === 'number') return value;
    return 'job' in value ? this.#write(value, owned) : this.#place(value.kernel);
  }
}

/** What a trap in a kernel means to the caller. */
export function trapped(cause: unknown, where: string): BurinError {
  return new BurinError({
    kind: 'device', where, needs: 'a kernel that returns', got: String(cause),
    remedy: 'this is a defect in Burin: please report it with the model', cause,
  });
}
