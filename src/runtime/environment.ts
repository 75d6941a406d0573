import type { Backend } from '../backends/index.ts';

/** Where something was measured. */
export interface Environment {
  /** `node 24.1.0`, or the browser's own words. */
  readonly runtime: string;
  /** The JavaScript and WebAssembly engine. */
  readonly engine: string;
  readonly cpu: string;
  readonly threads: number;
  /** Why there are fewer threads than were asked for. */
  readonly whyFewer?: string;
  readonly simd: 'relaxed' | 'plain' | 'none';
}

interface NodeProcess {
  readonly versions?: Readonly<Record<string, string>>;
  readonly getBuiltinModule?: (name: string) => { cpus?: () => { model: string }[] } | undefined;
}

/** What this process runs on, in a browser as far as it tells. */
export function environment({ simd, threads, whyFewer }: Backend): Environment {
  const { process, navigator } = globalThis as { process?: NodeProcess; navigator?: { userAgent?: string; hardwareConcurrency?: number } };
  const versions = process?.versions, told = { threads, simd, ...(whyFewer && { whyFewer }) };
  if (versions?.node) {
    const cpu = process?.getBuiltinModule?.('node:os')?.cpus?.()[0]?.model.trim();
    return { runtime: `node ${versions.node}`, engine: `V8 ${versions.v8}`, cpu: cpu || 'unknown', ...told };
  }
  const agent = navigator?.userAgent ?? 'unknown', [engine = 'unknown'] = /(Chrom(?:e|ium)|Firefox|Version)\/[\d.]+/.exec(agent) ?? [];
  return { runtime: agent, engine, cpu: `${navigator?.hardwareConcurrency ?? '?'} logical cores`, ...told };
}
