import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { unpacked } from '../browser/chromium.ts';

// WebGPU in Node. BURIN_GPU says which driver: `swiftshader` (where absent), the software adapter that comes along with the bundled
// Chromium and needs nothing of the system; `system`, the machine's own; `none`.

const kinds = ['swiftshader', 'system', 'none'] as const;
const kind = process.env.BURIN_GPU ?? kinds[0];
/** Set in the process that was started with the adapter's environment. */
const STARTED = 'BURIN_GPU_STARTED';

/**
 * Starts this very test again in a process whose loader finds the software adapter, and ends with its exit code: the loader's paths are
 * read when a process begins. Import it first.
 */
async function startAgain(): Promise<void> {
  if (kind !== 'swiftshader' || process.env[STARTED] || process.platform !== 'linux' || process.arch !== 'x64') return;
  const home = await unpacked(), libraries = [home, join(home, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  const env = {
    ...process.env, [STARTED]: '1', LD_LIBRARY_PATH: libraries, VK_ICD_FILENAMES: join(home, 'vk_swiftshader_icd.json'),
  };
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', env });
  process.exit(status ?? 1);
}

await startAgain();

/** Whether WebGPU can be had here; says loudly when not. */
export function hasGpu(name: string): boolean {
  const here = kind === 'system' || (kind === 'swiftshader' && process.env[STARTED] !== undefined);
  if (!here) {
    const elsewhere = `the software adapter is for linux x64, not for ${process.platform} ${process.arch}`;
    const why = kind === 'none' ? 'BURIN_GPU is none' : elsewhere;
    console.warn(`SKIPPED: ${name} needs WebGPU: ${why}; BURIN_GPU=system takes the driver of the system`);
  }
  return here;
}

async function adapterOf(): Promise<GPUAdapter> {
  const { create } = await import('webgpu'), held = globalThis as { [key: symbol]: GPU };
  // Held for good, and the same that sessions take for devices of their own.
  const gpu = held[Symbol.for('burin.webgpu')] ??= create([]), adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter');
  return adapter;
}

/** A new device with the default limits and no feature, as an app may have one. */
export async function defaultDevice(): Promise<GPUDevice> {
  return (await adapterOf()).requestDevice();
}

/** A new device with those of the features that the adapter has. */
export async function deviceWith(...features: readonly GPUFeatureName[]): Promise<GPUDevice> {
  const adapter = await adapterOf();
  return adapter.requestDevice({ requiredFeatures: features.filter((feature) => adapter.features.has(feature)) });
}

/** Makes a device say that a limit of its is lower. */
export function lower(device: GPUDevice, limit: keyof GPUSupportedLimits, value: number): void {
  const limits = new Proxy(device.limits, { get: (own, key) => (key === limit ? value : Reflect.get(own, key, own)) });
  Object.defineProperty(device, 'limits', { value: limits });
}
