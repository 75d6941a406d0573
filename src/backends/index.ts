import { createReference } from './reference.ts';
import type { Backend } from './backend.ts';
import { createWasm, type WasmOptions } from './wasm.ts';

export type { Backend, Call, FieldValue, MemoryUse, Program } from './backend.ts';
export { probe, trapped, type Simd } from './wasm.ts';

/** What a device may be told; each reads its own. */
export interface BackendOptions {
  readonly wasm?: WasmOptions;
}

/** The devices, by the name execution providers have. */
export const backends = {
  wasm: (options: BackendOptions) => createWasm(options.wasm),
  reference: (_options: BackendOptions) => createReference(),
} satisfies Record<string, (options: BackendOptions) => Promise<Backend>>;

export type BackendName = keyof typeof backends;
