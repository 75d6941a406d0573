import { BurinError, expect, fail } from '../expect.ts';
import { jobFor, jobs, parseKernel, type Kernel } from '../kernels.ts';
import type { Backend, Call, FieldValue, Program } from './backend.ts';
import * as binaries from './binaries.ts';
import { Heap } from './memory.ts';

const PAGE = 65536;
/** Memory a 32-bit WebAssembly module can ever have. */
const MOST_PAGES = 65536;
const FIRST_PAGES = 16;

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
  /** A compiled module of one of the two binaries, where compiling is forbidden (edge runtimes). */
  readonly module?: WebAssembly.Module;
}

const modules = new Map<Simd, Promise<WebAssembly.Module>>();

function compile(simd: Simd): Promise<WebAssembly.Module> {
  const cached = modules.get(simd);
  if (cached) return cached;
  const text = atob(binaries[simd]), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const module = WebAssembly.compile(bytes);
  modules.set(simd, module);
  return module;
}

/** A WebAssembly engine with a memory of its own. @throws BurinError `device` where WebAssembly SIMD is missing. */
export async function createWasm(options: WasmOptions = {}): Promise<Backend> {
  const known = probe(), simd = options.simd ?? known[0];
  expect(simd && known.includes(simd), {
    kind: 'device', where: 'wasm backend', needs: 'WebAssembly SIMD',
    got: `an engine with ${known.join(', ') || 'none'}`,
    remedy: "use executionProviders: ['reference']",
  });
  const module = options.module ?? (await compile(simd));
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES });
  return new WasmBackend(simd, memory, (await instantiate(module, memory)).exports);
}

/** At once where the engine allows that: a compiled module takes microseconds, a turn of the event loop more. */
async function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<WebAssembly.Instance> {
  const imports = { env: { memory } };
  try {
    return new WebAssembly.Instance(module, imports);
  } catch (error) {
    // Some browsers refuse modules above 4 kB on the main thread.
    if (error instanceof RangeError) return WebAssembly.instantiate(module, imports);
    throw error;
  }
}

type Run = (program: number, count: number) => void;

class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly simd: Simd;
  readonly kernels: ReadonlyMap<string, Kernel>;
  readonly #exports: WebAssembly.Exports;
  readonly #table: WebAssembly.Table;
  readonly #places = new Map<string, number>();
  readonly #run: Run;
  readonly #heap: Heap;
  #memory: WebAssembly.Memory | undefined;

  constructor(simd: Simd, memory: WebAssembly.Memory, exports: WebAssembly.Exports) {
    this.simd = simd;
    this.#memory = memory;
    this.#exports = exports;
    this.#table = exports.table as WebAssembly.Table;
    this.#run = exports.run as Run;
    const names = Object.keys(exports).filter((name) => typeof exports[name] === 'function' && name !== 'run');
    this.kernels = new Map(names.map((name) => [name, parseKernel(name)]));
    const base = exports.heap_base as WebAssembly.Global;
    this.#heap = new Heap(Number(base.value), (end) => this.#reach(end));
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

  program(calls: readonly Call[]): Program {
    const owned: number[] = [];
    const list = this.alloc(calls.length * 8);
    const entries = calls.map((call) => [this.#place(call.kernel), this.#write(call, owned)] as const);
    const view = new DataView(this.#buffer());
    entries.forEach(([place, job], i) => {
      view.setUint32(list + i * 8, place, true);
      view.setUint32(list + i * 8 + 4, job, true);
    });
    const run = this.#run;
    return {
      length: calls.length,
      run: (from = 0, to = calls.length) => run(list + from * 8, to - from),
      dispose: () => [list, ...owned].forEach((address) => this.free(address)),
    };
  }

  memory(): { usedBytes: number; totalBytes: number } {
    return { usedBytes: this.#heap.usedBytes, totalBytes: this.#memory?.buffer.byteLength ?? 0 };
  }

  dispose(): void {
    this.#memory = undefined;
  }

  #buffer(): ArrayBuffer {
    return this.#memory?.buffer ?? fail({ kind: 'state', where: 'wasm backend', needs: 'an engine in use', got: 'one that was released' });
  }

  #reach(end: number): boolean {
    const memory = this.#memory;
    const missing = Math.ceil((end - this.#buffer().byteLength) / PAGE);
    if (!memory || missing <= 0) return true;
    try {
      // Growing costs a new mapping each time: ask for an eighth more than needed.
      const spare = Math.min(Math.ceil(missing + (memory.buffer.byteLength / PAGE) / 8), MOST_PAGES - memory.buffer.byteLength / PAGE);
      memory.grow(Math.max(missing, spare));
      return true;
    } catch {
      return false;
    }
  }

  /** The kernel's place in the function table. */
  #place(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const kernel = this.#exports[name];
    expect(typeof kernel === 'function', { kind: 'argument', where: 'wasm backend', needs: 'a kernel it has', got: `'${name}'` });
    const place = this.#table.grow(1);
    this.#table.set(place, kernel);
    this.#places.set(name, place);
    return place;
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
