import type { BackendOptions } from '../backends/index.ts';
import { expect, lookUp, show } from '../expect.ts';
import { formats } from '../formats/index.ts';
import type { Shape } from '../tensor.ts';
import { engines } from './engine.ts';
import { tuneModes, type TuneMode, type TuneTable } from './tune.ts';

export interface SessionOptions extends BackendOptions {
  /**
   * Devices in order of preference; the first that works is used. Default `['wasm', 'reference']`. `auto` times webgpu against wasm on the
   * network itself when the first plan is made, and keeps the faster, or shares the layers out between both where that is clearly faster
   * still; `environment().choice` says which, and why.
   */
  readonly executionProviders?: readonly string[];
  /** Formats weights may be stored in; `['dense']` is the baseline. All where absent; a layer none of them fits stays dense. */
  readonly formats?: readonly string[];
  /**
   * Whether layers whose channels the zeros have killed run at their smaller size; true when absent. False is the baseline of reports:
   * dense kernels on the network as it was given.
   */
  readonly removeDead?: boolean;
  /** `measure` (default) times candidates on this device, `predict` skips that. */
  readonly tune?: TuneMode;
  /** What an earlier session measured ({@link SparseSession.tuning}), so that it need not be measured again. */
  readonly tuning?: TuneTable;
  /** Most milliseconds of measuring for one set of input shapes; default {@link DEFAULT_BUDGET_MS}. */
  readonly tuneBudgetMs?: number;
  /**
   * Where outputs go, of all or by name: `cpu` (default) or, on the provider webgpu, `gpu-buffer`, which leaves them on the device as
   * {@link GpuTensor}s of the caller's. As ONNX Runtime has it.
   */
  readonly preferredOutputLocation?: OutputLocation | Readonly<Record<string, OutputLocation>>;
  /** Lengths for free dimensions, so that `prepare` needs no shapes. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  readonly onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

const locations = ['cpu', 'gpu-buffer'] as const;
export type OutputLocation = (typeof locations)[number];

export const DEFAULT_BUDGET_MS = 10_000;
/** More threads than any work here can be cut for. */
const MOST_THREADS = 64;

type Check = (value: never, where: string) => void;

const oneOf = (keys: readonly string[]) => (value: string, where: string): void =>
  expect(keys.includes(value), { kind: 'argument', where, needs: `one of ${keys.join(', ')}`, got: show(value) });

const rowsOf = (table: Readonly<Record<string, unknown>>) => (names: readonly string[], where: string): void => {
  expect(Array.isArray(names) && names.length > 0, {
    kind: 'argument', where, needs: `some of ${Object.keys(table).join(', ')}`, got: show(names),
  });
  for (const name of names) lookUp(table, name, where);
};

const record = (value: object, where: string): void =>
  expect(typeof value === 'object' && value !== null, { kind: 'argument', where, needs: 'an object', got: show(value) });

/** What each option must be; an option that is not here is a misspelling. */
const checks = {
  executionProviders: rowsOf(engines),
  formats: rowsOf(formats),
  removeDead: (remove: unknown, where) =>
    expect(typeof remove === 'boolean', { kind: 'argument', where, needs: 'true or false', got: show(remove) }),
  tune: oneOf(tuneModes),
  tuning: (table, where) => {
    record(table, where);
    for (const [key, ms] of Object.entries(table)) {
      expect(typeof ms === 'number' && ms >= 0, { kind: 'argument', where: `${where} ['${key}']`, needs: 'milliseconds', got: show(ms) });
    }
  },
  tuneBudgetMs: (ms: number, where) => expect(ms >= 0, { kind: 'argument', where, needs: 'milliseconds, 0 or more', got: show(ms) }),
  threads: (n: number | 'auto', where) => expect(n === 'auto' || (Number.isInteger(n) && n >= 1 && n <= MOST_THREADS), {
    kind: 'argument', where, needs: `'auto' or a whole number from 1 to ${MOST_THREADS}`, got: show(n),
  }),
  preferredOutputLocation: (where: OutputLocation | Readonly<Record<string, OutputLocation>>, option) => {
    if (typeof where === 'string') return oneOf(locations)(where, option);
    record(where, option);
    for (const [name, location] of Object.entries(where)) oneOf(locations)(location, `${option} ['${name}']`);
  },
  shapes: record,
  onProgress: (f: unknown, where) => expect(typeof f === 'function', { kind: 'argument', where, needs: 'a function', got: show(f) }),
  webgpu: (webgpu, where) => {
    record(webgpu, where);
    const { device, powerPreference } = webgpu;
    expect(device === undefined || typeof device?.createBuffer === 'function', {
      kind: 'argument', where: `${where}.device`, needs: 'a GPUDevice', got: show(device),
    });
    if (powerPreference !== undefined) oneOf(['low-power', 'high-performance'])(powerPreference, `${where}.powerPreference`);
  },
  wasm: (wasm, where) => {
    record(wasm, where);
    if (wasm.simd !== undefined) oneOf(['plain', 'relaxed'])(wasm.simd, `${where}.simd`);
    expect(wasm.module === undefined || wasm.module instanceof WebAssembly.Module, {
      kind: 'argument', where: `${where}.module`, needs: 'a WebAssembly.Module', got: show(wasm.module),
    });
    expect(wasm.worker === undefined || typeof wasm.worker === 'string' || wasm.worker instanceof URL, {
      kind: 'argument', where: `${where}.worker`, needs: 'an address', got: show(wasm.worker),
    });
  },
} satisfies { [K in keyof Required<SessionOptions>]: (value: NonNullable<SessionOptions[K]>, where: string) => unknown };

/** @throws BurinError for an option that does not exist or a value it cannot have. */
export function checkOptions(options: SessionOptions): void {
  record(options, 'session options');
  for (const [name, value] of Object.entries(options)) {
    const check = lookUp<Check>(checks, name, 'session options');
    if (value !== undefined) check(value as never, `option ${name}`);
  }
}
