/** Neighbouring layers that one backend runs. */
export interface Segment {
  /** The execution provider. */
  readonly backend: string;
  /** Names of the first and the last layer, and how many there are. */
  readonly first: string;
  readonly last: string;
  readonly layers: number;
}

/** Which engine an automatic choice took. */
export interface Choice {
  /** The execution provider; `webgpu+wasm` where layers are split between both. */
  readonly chosen: string;
  readonly why: string;
  /** Ms of one run of the network, by provider; of those that were timed. */
  readonly ms: Readonly<Record<string, number>>;
  /** Where layers run when they are split between providers, in order. */
  readonly segments?: readonly Segment[];
}

/** What a GPU tells of itself, in the words of WebGPU's GPUAdapterInfo; empty where it does not tell. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

/** What a device tells of itself. */
export interface Told {
  /** The execution provider that runs on it. */
  readonly provider?: string;
  readonly threads: number;
  /** Why there are fewer threads than were asked for. */
  readonly whyFewer?: string;
  readonly simd: 'relaxed' | 'plain' | 'none';
  /** What the adapter calls itself, where kernels run on a GPU. */
  readonly adapter?: string;
  /** The same in parts. */
  readonly adapterInfo?: AdapterInfo;
  /** Whether layers on a GPU are timed by its own clock (timestamp queries); else between two fences. */
  readonly timestamps?: boolean;
  /** What `auto` chose, once the first plan was made. */
  readonly choice?: Choice;
}

/** Where something was measured. */
export interface Environment extends Told {
  /** `node 24.1.0`, or the browser's own words. */
  readonly runtime: string;
  /** The JavaScript and WebAssembly engine. */
  readonly engine: string;
  readonly cpu: string;
}

interface NodeProcess {
  readonly versions?: Readonly<Record<string, string>>;
  readonly getBuiltinModule?: (name: string) => { cpus?: () => { model: string }[] } | undefined;
}

/** What this process runs on, in a browser as far as it tells. */
export function environment({ provider, simd, threads, whyFewer, adapter, adapterInfo, timestamps, choice }: Told): Environment {
  const { process, navigator } = globalThis as { process?: NodeProcess; navigator?: { userAgent?: string; hardwareConcurrency?: number } };
  const versions = process?.versions, told = {
    ...(provider && { provider }), threads, simd, ...(whyFewer && { whyFewer }),
    ...(adapter && { adapter, adapterInfo, timestamps: timestamps === true }), ...(choice && { choice }),
  };
  if (versions?.node) {
    const cpu = process?.getBuiltinModule?.('node:os')?.cpus?.()[0]?.model.trim();
    return { runtime: `node ${versions.node}`, engine: `V8 ${versions.v8}`, cpu: cpu || 'unknown', ...told };
  }
  const agent = navigator?.userAgent ?? 'unknown', [engine = 'unknown'] = /(Chrom(?:e|ium)|Firefox|Version)\/[\d.]+/.exec(agent) ?? [];
  return { runtime: agent, engine, cpu: `${navigator?.hardwareConcurrency ?? '?'} logical cores`, ...told };
}
