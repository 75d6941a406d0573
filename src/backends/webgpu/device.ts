import { fail, show } from '../../expect.ts';

/** What a session may be told of its device. */
export interface WebGpuOptions {
  /** The caller's own, used as it is and never destroyed; it may have the default limits. */
  readonly device?: GPUDevice;
  /** Which of several adapters is asked for where no device is given. */
  readonly powerPreference?: GPUPowerPreference;
}

/** What an adapter says of itself. */
const told = ['vendor', 'architecture', 'device', 'description'] as const;

export interface Found {
  readonly device: GPUDevice;
  /** Whether it was made here, and is to be destroyed by whom it was made for. */
  readonly own: boolean;
  /** What the adapter calls itself, for reports: in one line, and in parts. */
  readonly adapter: string;
  readonly adapterInfo: Pick<GPUAdapterInfo, (typeof told)[number]>;
}

/** Asked for where the adapter has them; every shader has a variant that needs none. */
const wishes: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];
/** Limits that are raised to the adapter's own: the default ones bind 128 MiB, and weights may be larger. */
const raised = ['maxStorageBufferBindingSize', 'maxBufferSize', 'maxComputeWorkgroupStorageSize'] as const;

/**
 * The caller's device, or a new one of this page's or this runtime's adapter; in Node that of the optional package `webgpu`.
 * @throws BurinError `device` where there is none, with what to do about it
 */
export async function findDevice({ device, powerPreference }: WebGpuOptions = {}): Promise<Found> {
  if (device) return { device, own: false, ...namesOf(device.adapterInfo) };
  const gpu = await findGpu(), adapter = await gpu.requestAdapter({ powerPreference });
  if (!adapter) {
    return fail({
      kind: 'device', where: 'webgpu', needs: 'an adapter', got: 'none',
      remedy: 'install a driver for the GPU (Vulkan, Metal or Direct3D 12), or use the execution provider wasm',
    });
  }
  const requiredFeatures = wishes.filter((feature) => adapter.features.has(feature));
  const requiredLimits = Object.fromEntries(raised.map((limit) => [limit, adapter.limits[limit]]));
  try {
    return { device: await adapter.requestDevice({ requiredFeatures, requiredLimits }), own: true, ...namesOf(adapter.info) };
  } catch (error) {
    return fail({ kind: 'device', where: 'webgpu', needs: 'a device of its adapter', got: show(error), cause: error });
  }
}

/** `nvidia ampere NVIDIA A100`: what is said of an adapter, nothing twice. */
function namesOf(info: GPUAdapterInfo | undefined): Pick<Found, 'adapter' | 'adapterInfo'> {
  const adapterInfo = Object.fromEntries(told.map((part) => [part, info?.[part] ?? ''])) as Found['adapterInfo'];
  const words = told.map((part) => adapterInfo[part]).filter(Boolean);
  return { adapter: [...new Set(words)].join(' ') || 'unknown adapter', adapterInfo };
}

interface Runtime { navigator?: { gpu?: GPU }; process?: { versions?: { node?: string } } }
/** Where what the package made is held: let go, it takes the process down with it. */
const HELD = Symbol.for('burin.webgpu');

async function findGpu(): Promise<GPU> {
  const { navigator, process } = globalThis as Runtime;
  if (navigator?.gpu) return navigator.gpu;
  const held = globalThis as { [HELD]?: GPU };
  if (process?.versions?.node) return held[HELD] ??= await fromPackage();
  return fail({
    kind: 'device', where: 'webgpu', needs: 'navigator.gpu', got: 'none in this runtime',
    remedy: 'serve the page from a secure context to a browser with WebGPU, or use the execution provider wasm',
  });
}

async function fromPackage(): Promise<GPU> {
  // In pieces, so that bundlers of apps for the browser do not look for it.
  const name = ['web', 'gpu'].join('');
  try {
    const { create } = await import(/* @vite-ignore */ /* webpackIgnore: true */ name) as { create(options: readonly string[]): GPU };
    // Exact times: the steps of 0.1 ms that pages are given keep them from watching each other, and are longer than a layer takes.
    return create(['disable-dawn-features=timestamp_quantization']);
  } catch (error) {
    return fail({
      kind: 'device', where: 'webgpu', needs: `the package '${name}', for there is no navigator.gpu`, got: show(error),
      remedy: `npm install ${name}`, cause: error,
    });
  }
}
