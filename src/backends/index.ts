import { createReference } from './reference.ts';
import type { Backend } from './backend.ts';
import { createWasm, type WasmOptions } from './wasm.ts';
import type { WebGpuOptions } from './webgpu/device.ts';

export type { Backend, Call, FieldValue, MemoryUse, Phase, Program, Work } from './backend.ts';
export { phaseOf } from './script.ts';
export { probe, trapped, type Simd } from './wasm.ts';

/** What a device may be told; each reads its own. */
export interface BackendOptions {
  readonly wasm?: WasmOptions;
  readonly webgpu?: WebGpuOptions;
  /**
   * Threads that share the work, 'auto' for one a core; 1 where absent. Where they cannot be had (a page that is not isolated, a runtime
   * without shared memory) there is one, and the environment says why.
   */
  readonly threads?: number | 'auto';
}

/** The devices, by the name execution providers have. */
export const backends = {
  wasm: (options: BackendOptions) => createWasm(options.wasm, options.threads),
  reference: (options: BackendOptions) => createReference(options.threads),
} satisfies Record<string, (options: BackendOptions) => Promise<Backend>>;

export type BackendName = keyof typeof backends;
