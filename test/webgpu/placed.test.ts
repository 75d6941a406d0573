import { defaultDevice, hasGpu } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { optimize, type Optimized } from '../../src/graph/passes/index.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { engines, type Engine, type EngineOptions } from '../../src/runtime/engine.ts';
import { handoverOf } from '../../src/runtime/handover.ts';
import { placedEngine } from '../../src/runtime/placed.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { TuneMemory } from '../../src/runtime/tune.ts';
import type { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { near } from '../runtime/nodes.ts';

// Networks whose layers are shared out between WebGPU and WebAssembly.

const device = hasGpu('networks split between WebGPU and WebAssembly') ? await defaultDevice() : undefined;
const options: EngineOptions = { tune: 'predict', memory: new TuneMemory(), tuneBudgetMs: 0 };

const optimized = (graph: Graph): Optimized => {
  const fixed = specialize(graph);
  return optimize(fixed.graph, fixed.types);
};
const feedsOf = ({ graph: { inputs } }: Optimized): Record<string, Tensor> =>
  Object.fromEntries(inputs.map(({ name, dims }, i) => [name, filled(dims as number[], i)]));
const thirds = ({ graph: { nodes } }: Optimized, first: number): Map<string, number> =>
  new Map(nodes.map(({ name }, i) => [name, (first + Math.floor((3 * i) / nodes.length)) % 2]));

async function wholeOf(input: Optimized): Promise<Record<string, Tensor>> {
  const wasm = await engines.wasm({}), plan = await wasm.compile(input, options);
  try {
    return await plan.run(feedsOf(input)) as Record<string, Tensor>;
  } finally {
    wasm.dispose();
  }
}

const open = async (gpu: GPUDevice | undefined, placement: ReadonlyMap<string, number>): Promise<Engine> =>
  placedEngine([await engines.webgpu({ webgpu: { device: gpu } }), await engines.wasm({})], placement);

if (device) {
  for (const first of [0, 1]) {
    test(`a network in three parts, the first on ${['webgpu', 'wasm'][first]}`, async () => {
      const input = optimized(zooGraph('resnet20-cifar', { input: 32 })), expected = await wholeOf(input);
      const engine = await open(device, thirds(input, first)), plan = await engine.compile(input, options);
      const { scores } = await plan.run(feedsOf(input)) as Record<string, Tensor>;
      near(scores, expected.scores, 'scores', 1e-3);
      const backends = plan.layers.map(({ backend }) => backend).filter((name, i, all) => name !== all[i - 1]);
      assert.equal(backends, first ? ['wasm', 'webgpu', 'wasm'] : ['webgpu', 'wasm', 'webgpu']);
      assert.equal([engine.name, engine.told().adapter !== undefined], ['webgpu+wasm', true]);
      assert.is((await plan.profile(feedsOf(input))).length, plan.layers.length);
      const used = engine.memory().usedBytes;
      plan.dispose();
      assert.ok(engine.memory().usedBytes < used);
      engine.dispose();
    });
  }

  test('a lost device is named, and another one goes on', async () => {
    const lost = await defaultDevice(), input = optimized(zooGraph('lenet-5-caffe', { input: 28 })), expected = await wholeOf(input);
    const engine = await open(lost, new Map(input.graph.nodes.map(({ name }, i) => [name, i < 2 ? 1 : 0])));
    const plan = await engine.compile(input, options);
    lost.destroy();
    await lost.lost;
    let got: unknown;
    try { await plan.run(feedsOf(input)); } catch (error) { got = error; }
    assert.ok(got instanceof BurinError && got.kind === 'device', String(got));
    plan.dispose();
    const next = await engine.recover!(device), again = await next.compile(input, options);
    near((await again.run(feedsOf(input)) as Record<string, Tensor>).scores, expected.scores, 'scores', 1e-3);
    again.dispose();
    next.dispose();
  });

  test('handing over is measured', async () => {
    for (const engine of [await engines.webgpu({ webgpu: { device } }), await engines.wasm({})]) {
      const { runMs, inMs, outMs } = await handoverOf(engine, 1 << 20, options, () => performance.now());
      assert.ok(runMs > 0 && inMs >= 0 && outMs >= 0 && inMs + outMs > 0, `${engine.name} ${runMs} ${inMs} ${outMs}`);
      // Slower than 10 MB/s is no copy.
      assert.ok(inMs < 1e-4 && outMs < 1e-4, `${engine.name} ${inMs} ${outMs}`);
      engine.dispose();
    }
  });

  test('auto looks for a split and says what came of it', async () => {
    const graph = zooGraph('lenet-5-caffe', { input: 28 });
    const session = await SparseSession.create(graph, { executionProviders: ['auto'], webgpu: { device }, tuning: {} });
    const layers = await session.prepare(), { chosen, why, segments } = session.environment().choice!;
    assert.match(why, /split by layers| on webgpu/);
    assert.equal([...new Set(layers.map(({ backend }) => backend))].sort().reverse().join('+'), chosen);
    assert.is(segments === undefined, !chosen.includes('+'));
    session.release();
  });
}

test.run();
