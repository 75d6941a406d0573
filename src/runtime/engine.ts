import { backends, type BackendName, type BackendOptions, type MemoryUse } from '../backends/index.ts';
import { openGpu, type Gpu } from '../backends/webgpu/gpu.ts';
import type { Optimized } from '../graph/passes/index.ts';
import type { Tensor } from '../tensor.ts';
import { compile, type LayerPlan, type PlanOptions } from './plan.ts';
import { openAuto } from './auto.ts';
import type { Told } from './environment.ts';
import type { GpuTensor } from './webgpu/gpu-tensor.ts';
import { compileForGpu } from './webgpu/plan.ts';
import type { GpuFeeds } from './webgpu/run.ts';

type Awaitable<T> = T | Promise<T>;

export interface EngineOptions extends PlanOptions {
  /** Whether an output stays on the device, where that is one apart. */
  readonly stays?: (name: string) => boolean;
}

/** A graph bound to one device for one set of input shapes. */
export interface EnginePlan {
  readonly layers: readonly LayerPlan[];
  run(feeds: GpuFeeds): Awaitable<Record<string, Tensor | GpuTensor>>;
  profile(feeds: GpuFeeds): Awaitable<number[]>;
  dispose(): void;
}

/** What a session runs on. */
export interface Engine {
  /** The execution provider it is. */
  readonly name: string;
  /** Whether it takes and gives GPUBuffers. */
  readonly buffers: boolean;
  /** What it tells of itself for reports. */
  told(): Told;
  compile(input: Optimized, options: EngineOptions): Awaitable<EnginePlan>;
  memory(): MemoryUse;
  /** The same engine on a new device; plans are lost with the old one. Absent where no device can be lost. */
  recover?(device?: GPUDevice): Promise<Engine>;
  dispose(): void;
}

async function openBackend(name: BackendName, options: BackendOptions): Promise<Engine> {
  const backend = await backends[name](options), { simd, threads, whyFewer } = backend;
  return {
    name, buffers: false, told: () => ({ provider: name, simd, threads, ...(whyFewer && { whyFewer }) }),
    compile: (input, plan) => compile(backend, input, plan) as EnginePlan,
    memory: () => backend.memory(), dispose: () => backend.dispose(),
  };
}

/** What a GPU tells of itself. */
export function toldOf({ adapter, adapterInfo, device }: Gpu): Told {
  return { provider: 'webgpu', simd: 'none', threads: 1, adapter, adapterInfo, timestamps: device.features.has('timestamp-query') };
}

async function openWebGpu(options: BackendOptions): Promise<Engine> {
  const gpu = await openGpu(options.webgpu);
  return {
    name: 'webgpu', buffers: true, told: () => toldOf(gpu),
    compile: (input, plan) => compileForGpu(gpu, input, plan),
    memory: () => gpu.memory(), dispose: () => gpu.dispose(),
    recover(device) {
      gpu.dispose();
      return openWebGpu({ ...options, webgpu: device ? { device } : { ...options.webgpu, device: undefined } });
    },
  };
}

/** The engines, by the name execution providers have. */
export const engines: Record<'wasm' | 'webgpu' | 'reference' | 'auto', (options: BackendOptions) => Promise<Engine>> = {
  wasm: (options: BackendOptions) => openBackend('wasm', options),
  webgpu: openWebGpu,
  reference: (options: BackendOptions) => openBackend('reference', options),
  /** Whichever of webgpu and wasm runs the network faster here. */
  auto: (options: BackendOptions) => openAuto({ webgpu: () => openWebGpu(options), wasm: () => openBackend('wasm', options) }),
};
