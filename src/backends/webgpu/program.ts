import type { Guard } from './guard.ts';
import { sizeFor, USAGE } from './buffers.ts';
import type { Pipeline } from './pipelines.ts';
import { bindings, variants } from './shaders.ts';

/** One shader with what it works on. */
export interface Dispatch {
  /** The name of a variant. */
  readonly shader: string;
  /** The numbers of its job, by field. */
  readonly job: Readonly<Record<string, number>>;
  /** Its operands in the order of their bindings, the job apart. */
  readonly operands: readonly GPUBufferBinding[];
  /** Workgroups along x, y and z. */
  readonly groups: readonly [number, number, number];
}

/** Dispatches made ready: run again and again, each sees what those before it wrote. */
export interface Program {
  readonly length: number;
  /** Adds the dispatches [from, to) to a pass. */
  encode(pass: GPUComputePassEncoder, from?: number, to?: number): void;
  dispose(): void;
}

/** Bytes of a kernel's job: its last field's end, in whole words. */
export function jobBytes(kernel: string): number {
  return sizeFor(Math.max(...bindings[kernel].job.map(({ offset }) => offset + 4)));
}

/** Writes a job's numbers into `view` from `start` on; fields that are left out are 0. */
export function writeJob(kernel: string, numbers: Dispatch['job'], view: DataView, start = 0): void {
  for (const { name, offset, type } of bindings[kernel].job) {
    const value = numbers[name] ?? 0;
    if (type === 'f32') view.setFloat32(start + offset, value, true);
    else if (type === 'i32') view.setInt32(start + offset, value, true);
    else view.setUint32(start + offset, value, true);
  }
}

/** Dispatches with their jobs in one uniform buffer and their bind groups made. Call it inside of `guard.run`. */
export function bindProgram(device: GPUDevice, pipelines: readonly Pipeline[], dispatches: readonly Dispatch[], where: string): Program {
  if (!dispatches.length) return { length: 0, encode: () => {}, dispose: () => {} };
  const step = device.limits.minUniformBufferOffsetAlignment;
  const sizes = dispatches.map(({ shader }) => jobBytes(variants[shader].kernel)), starts: number[] = [];
  const total = sizes.reduce((at, size) => {
    starts.push(at);
    return Math.ceil((at + size) / step) * step;
  }, 0);
  const jobs = device.createBuffer({ label: `${where}: jobs`, size: total, usage: USAGE.uniform, mappedAtCreation: true });
  const view = new DataView(jobs.getMappedRange());
  dispatches.forEach(({ shader, job }, i) => writeJob(variants[shader].kernel, job, view, starts[i]));
  jobs.unmap();
  const groups = dispatches.map(({ operands, shader }, i) => device.createBindGroup({
    label: shader, layout: pipelines[i].layout,
    entries: [{ buffer: jobs, offset: starts[i], size: sizes[i] }, ...operands].map((resource, binding) => ({ binding, resource })),
  }));
  return {
    length: dispatches.length,
    encode: (pass, from = 0, to = dispatches.length) => {
      for (let i = from; i < to; i++) {
        pass.setPipeline(pipelines[i].compute);
        pass.setBindGroup(0, groups[i]);
        pass.dispatchWorkgroups(...dispatches[i].groups);
      }
    },
    dispose: () => jobs.destroy(),
  };
}

/**
 * Dispatches ready to run, their shaders compiled.
 * @throws BurinError `limit` when there is no memory left for the jobs, `device` when a shader does not compile or the device is lost
 */
export async function programOf(
  guard: Guard, pipeline: (name: string) => Promise<Pipeline>, dispatches: readonly Dispatch[], where = 'webgpu program',
): Promise<Program> {
  const ready = await Promise.all(dispatches.map(({ shader }) => pipeline(shader)));
  return guard.run(where, () => bindProgram(guard.device, ready, dispatches, where));
}
