// What test/browser/webgpu-session.test.ts runs inside of the page: sessions of the provider webgpu on navigator.gpu.
import { BurinError, prune, SparseSession, Tensor, zooGraph, type GpuTensor, type SessionOptions } from '../../src/index.ts';
import type { Graph } from '../../src/graph/graph.ts';

const small = (): Graph => prune(zooGraph('resnet20-cifar', { input: 16 }), { sparsity: 0.8 }).graph;

function feedsOf(graph: Graph, seed: number): Record<string, Tensor> {
  return Object.fromEntries(graph.inputs.map(({ name, dims }) => {
    const size = (dims as number[]).reduce((a, b) => a * b, 1);
    return [name, new Tensor('float32', Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i + seed)), dims as number[])];
  }));
}

const webgpu: SessionOptions = { executionProviders: ['webgpu'], tune: 'predict' };

async function outputOf(session: SparseSession, seed: number): Promise<Float32Array> {
  const { [session.outputNames[0]]: output } = await session.run(feedsOf(small(), seed));
  return output.data as Float32Array;
}

const apart = (a: Float32Array, b: Float32Array): number => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);

/** How far WebGPU and WebAssembly are apart, what the session says of itself, and operators on the host. */
export async function networks(): Promise<{ error: number; adapter: string; host: string[]; layers: number; positive: boolean }> {
  const graph = small(), session = await SparseSession.create(graph, webgpu);
  const plain = await SparseSession.create(graph, { tune: 'predict' });
  const [got, expected] = [await outputOf(session, 1), await outputOf(plain, 1)], layers = await session.prepare();
  const { layerMs } = await session.profile(feedsOf(graph, 1));
  const found = {
    error: apart(got, expected), adapter: session.environment().adapter ?? '', layers: layers.length,
    host: layers.filter(({ kernel }) => kernel === 'host').map(({ op }) => op),
    positive: layerMs.length === layers.length && layerMs.flat().every((ms) => ms >= 0),
  };
  session.release();
  plain.release();
  return found;
}

/** The kinds of errors of a device that is lost in the middle and later, and how far off the session is that recovered. */
export async function recovery(): Promise<{ during: string; later: string; error: number }> {
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
  const session = await SparseSession.create(small(), { ...webgpu, webgpu: { device } }), expected = await outputOf(session, 2);
  const kind = (error: unknown): string => (error instanceof BurinError ? error.kind : String(error));
  const during = outputOf(session, 2).then(() => 'done', kind);
  device.destroy();
  const ended = await during, later = await outputOf(session, 2).then(() => 'done', kind);
  await session.recover();
  const error = apart(await outputOf(session, 2), expected);
  session.release();
  return { during: ended, later, error };
}

/** How far off an output is that stayed on the device, and what `auto` chose. */
export async function residence(): Promise<{ error: number; chosen: string; timed: string[] }> {
  const graph = small(), plain = await SparseSession.create(graph, { tune: 'predict' }), expected = await outputOf(plain, 3);
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice(), name = plain.outputNames[0];
  const session = await SparseSession.create<GpuTensor>(graph, { ...webgpu, webgpu: { device }, preferredOutputLocation: 'gpu-buffer' });
  const { [name]: output } = await session.run(feedsOf(graph, 3));
  const staging = device.createBuffer({ size: output.gpuBuffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(output.gpuBuffer, 0, staging, 0, staging.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const error = apart(new Float32Array(staging.getMappedRange().slice(0)), expected);
  output.dispose();
  const auto = await SparseSession.create(graph, { executionProviders: ['auto'], tune: 'predict' });
  await auto.prepare();
  const { chosen, ms } = auto.environment().choice!;
  for (const one of [plain, auto]) one.release();
  session.release();
  device.destroy();
  return { error, chosen, timed: Object.keys(ms) };
}
