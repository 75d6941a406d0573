import * as assert from 'uvu/assert';
import { defaultDevice, hasGpu } from '../webgpu/adapter.ts';
import { backends, probe } from '../../src/backends/index.ts';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Attr, Graph } from '../../src/graph/graph.ts';
import { type LayerPlan, type SessionOptions, SparseSession } from '../../src/runtime/session.ts';
import { numbersOf, Tensor, type Shape } from '../../src/tensor.ts';

/** The rows of the backend table that start here; the others are named aloud. */
export const starting: (keyof typeof backends)[] = [];
for (const name of Object.keys(backends) as (keyof typeof backends)[]) {
  try {
    (await backends[name]({})).dispose();
    starting.push(name);
  } catch (error) {
    console.warn(`SKIPPED: backend ${name} does not start here: ${String(error)}`);
  }
}

/** One GPUDevice, with default limits, for all tests of a file: its pipelines are compiled once. */
const device = hasGpu('the provider webgpu') ? await defaultDevice() : undefined;

/** Every device that starts, WebAssembly once for each of its binaries that this engine understands, WebGPU where it can be had. */
const listed = starting.flatMap((name): [string, SessionOptions][] => {
  const executionProviders = [name];
  return name === 'wasm'
    ? probe().map((simd) => [`wasm ${simd}`, { executionProviders, wasm: { simd } }])
    : [[name, { executionProviders }]];
});
if (device) listed.push(['webgpu', { executionProviders: ['webgpu'], webgpu: { device } }]);
export const devices: Readonly<Record<string, SessionOptions>> = Object.fromEntries(listed);

/** An input of a node: fed at run time, a constant of the graph, or absent. */
export type Argument = Tensor | { readonly constant: Tensor } | undefined;

export const fixed = (constant: Tensor): Argument => ({ constant });
const isFixed = (arg: Argument): arg is { readonly constant: Tensor } => arg !== undefined && 'constant' in arg;

export interface Fed { readonly graph: Graph; readonly feeds: Readonly<Record<string, Tensor>> }

/** A graph of one node, and what to feed it. */
export function oneNode(op: string, attrs: Readonly<Record<string, Attr>>, args: readonly Argument[], outputs = 1): Fed {
  const named = args.map((arg, i): [string, Argument] => [arg ? `x${i}` : '', arg]);
  const results = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const feeds = Object.fromEntries(named.flatMap(([name, arg]): [string, Tensor][] => (arg instanceof Tensor ? [[name, arg]] : [])));
  const graph: Graph = {
    name: op,
    inputs: Object.entries(feeds).map(([name, { type, dims }]) => ({ name, type, dims })),
    outputs: results.map((name) => ({ name, type: 'float32', dims: [] })),
    nodes: [{ name: 'it', op, inputs: named.map(([name]) => name), outputs: results, attrs }],
    constants: new Map(named.flatMap(([name, arg]): [string, Tensor][] => (isFixed(arg) ? [[name, arg.constant]] : []))),
  };
  return { graph, feeds };
}

export const shapesOf = (feeds: Readonly<Record<string, Tensor>>): Record<string, Shape> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));

/** What the plain loops make of a graph. */
export function oracle({ graph, feeds }: Fed): Record<string, Tensor> {
  return evaluate(specialize(graph, shapesOf(feeds)).graph, feeds);
}

/** That two results are of one type and shape and agree within `tolerance` · (1 + |expected|); NaN and infinities must be the same. */
export function near(got: Tensor, expected: Tensor, name: string, tolerance = 2e-5): void {
  assert.is(got.type, expected.type, `${name}: type`);
  assert.equal(got.dims, expected.dims, `${name}: shape`);
  const [a, b] = [numbersOf(got), numbersOf(expected)];
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i]) || Math.abs(a[i] - b[i]) <= tolerance * (1 + Math.abs(b[i]))) continue;
    assert.unreachable(`${name}[${i}]: expected ${b[i]}, got ${a[i]}`);
  }
}

/** Prepares and runs a graph once; the session is gone afterwards. */
export async function runOnce(
  { graph, feeds }: Fed, options: SessionOptions,
): Promise<{ outputs: Record<string, Tensor>; layers: readonly LayerPlan[] }> {
  const session = await SparseSession.create(graph, { tune: 'predict', ...options });
  try {
    const outputs = await session.run(feeds);
    return { outputs, layers: await session.prepare(shapesOf(feeds)) };
  } finally {
    session.release();
  }
}

/**
 * That a graph gives on every device what the plain loops give. With `host` it must run on the host in WebAssembly, else in kernels; on a
 * GPU `host` says that it may run there.
 */
export async function agrees(
  fed: Fed, { host = false, tolerance, options = {} }: { host?: boolean; tolerance?: number; options?: SessionOptions } = {},
): Promise<void> {
  const expected = oracle(fed);
  for (const [device, provider] of Object.entries(devices)) {
    const { outputs, layers } = await runOnce(fed, { ...options, ...provider });
    for (const [name, tensor] of Object.entries(expected)) near(outputs[name], tensor, `${device} ${name}`, tolerance);
    if (device === 'reference') continue;
    for (const { op, kernel } of layers) {
      assert.ok((kernel === 'host') === host || (host && device === 'webgpu'), `${op} on ${device} runs in ${kernel}`);
    }
  }
}
