import type { Guard } from './guard.ts';
import { link } from './link.ts';
import { bindings, variants } from './shaders.ts';

/** A shader ready to run, and the layout of what it binds: one a kernel, whatever the pattern and the sizes. */
export interface Pipeline {
  readonly compute: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Pipelines by the name of their variant, each made once and when it is first asked for; `textOf` says what a variant is. */
export function pipelinesOf(guard: Guard, textOf: (name: string) => string = link): (name: string) => Promise<Pipeline> {
  const made = new Map<string, Promise<Pipeline>>();
  return (name) => {
    const known = made.get(name);
    if (known) return known;
    const making = make(guard, name, textOf(name));
    made.set(name, making);
    // What failed may succeed the next time (another device error, memory freed meanwhile).
    making.catch(() => made.delete(name));
    return making;
  };
}

async function make(guard: Guard, name: string, code: string): Promise<Pipeline> {
  const { device } = guard, { kernel } = variants[name], where = `webgpu ${name}`;
  const { module, layout, pipelineLayout } = await guard.run(where, () => {
    const layout = device.createBindGroupLayout({ label: kernel, entries: [...bindings[kernel].layout] });
    const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
    return { layout, pipelineLayout, module: device.createShaderModule({ label: name, code }) };
  });
  const making = device.createComputePipelineAsync({ label: name, layout: pipelineLayout, compute: { module, entryPoint: kernel } });
  return { layout, compute: await guard.wait(where, 'a shader that compiles on this device', making) };
}
