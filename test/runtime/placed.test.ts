import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import { specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { optimize, type Optimized } from '../../src/graph/passes/index.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { engines, type Engine, type EngineOptions } from '../../src/runtime/engine.ts';
import { placedEngine } from '../../src/runtime/placed.ts';
import { TuneMemory } from '../../src/runtime/tune.ts';
import type { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';

// Networks in parts, one after the other, on engines of WebAssembly: the same bits as the whole.

const memory = new TuneMemory(), options: EngineOptions = { tune: 'predict', memory, tuneBudgetMs: 0 };
const one = await engines.wasm({}), other = await engines.wasm({});
const optimized = (graph: Graph): Optimized => {
  const fixed = specialize(graph);
  return optimize(fixed.graph, fixed.types);
};
const feedsOf = ({ graph: { inputs } }: Optimized): Record<string, Tensor> =>
  Object.fromEntries(inputs.map(({ name, dims }, i) => [name, filled(dims as number[], i)]));

async function run(engine: Engine, input: Optimized): Promise<Record<string, Tensor>> {
  const plan = await engine.compile(input, options);
  try {
    return await plan.run(feedsOf(input)) as Record<string, Tensor>;
  } finally {
    plan.dispose();
  }
}

/** Gives the nodes to the engines by their place. */
const placed = ({ graph: { nodes } }: Optimized, place: (i: number) => number): Engine =>
  placedEngine([one, other], new Map(nodes.map(({ name }, i) => [name, place(i)])));

const zoo: readonly (readonly [name: string, input: number])[] = [
  ['lenet-300-100', 28], ['lenet-5-caffe', 28], ['resnet20-cifar', 32], ['mobilenetv2', 32], ['squeezenet1.1', 48], ['resnet18', 32],
];
/** Networks small enough to be packed anew for each single cut. */
const small = ['lenet-300-100', 'lenet-5-caffe', 'resnet20-cifar', 'squeezenet1.1'];

for (const [name, input] of zoo) {
  test(`${name} cut at every node, bit for bit`, async () => {
    const whole = optimized(zooGraph(name, { input, classes: 10 })), expected = await run(one, whole), { length } = whole.graph.nodes;
    assert.equal(await run(placed(whole, (i) => i % 2), whole), expected, 'every other node elsewhere');
    if (!small.includes(name)) return;
    for (let cut = 1; cut < length; cut++) {
      assert.equal(await run(placed(whole, (i) => Number(i >= cut)), whole), expected, `cut at ${cut}`);
    }
  });
}

/** x → Relu → a → Neg → y; x and a constant are outputs too. */
const passing: Graph = {
  name: 'passing', inputs: [{ name: 'x', type: 'float32', dims: [3] }],
  outputs: ['y', 'x', 'a', 'c'].map((name) => ({ name, type: 'float32', dims: [3] })),
  nodes: [
    { name: 'first', op: 'Relu', inputs: ['x'], outputs: ['a'], attrs: {} },
    { name: 'second', op: 'Add', inputs: ['a', 'c'], outputs: ['y'], attrs: {} },
  ],
  constants: new Map([['c', filled([3], 9)]]),
};

test('inputs, constants and values between parts may be outputs, copies of the caller\'s', async () => {
  const whole = optimized(passing), feeds = feedsOf(whole), plan = await placed(whole, (i) => i).compile(whole, options);
  const outputs = await plan.run(feeds) as Record<string, Tensor>, again = await plan.run(feeds);
  assert.equal(outputs, await run(one, whole));
  for (const tensor of Object.values(outputs)) (tensor.data as Float32Array).fill(7);
  assert.equal(await plan.run(feeds), again);
  plan.dispose();
});

test('the plan names the layers with their backends, in order, and tells how far it is', async () => {
  const whole = optimized(passing), steps: number[][] = [];
  const plan = await placed(whole, (i) => i).compile(whole, { ...options, onProgress: ({ done, total }) => steps.push([done, total]) });
  assert.equal(plan.layers.map(({ name, backend }) => [name, backend]), [['first', 'wasm'], ['second', 'wasm']]);
  assert.equal(steps, [[1, 2], [2, 2]]);
  const ms = await plan.profile(feedsOf(whole));
  assert.ok(ms.length === 2 && ms.every((time) => time >= 0));
  plan.dispose();
  let got: unknown;
  try { await plan.run(feedsOf(whole)); } catch (error) { got = error; }
  assert.ok(got instanceof BurinError && got.kind === 'state', String(got));
});

test('a part that cannot be compiled takes the others with it', async () => {
  const whole = optimized(passing), before = one.memory().usedBytes;
  const failing: Engine = { ...other, compile: () => { throw new Error('no room'); } };
  let got: unknown;
  try {
    await placedEngine([one, failing], new Map([['first', 0], ['second', 1]])).compile(whole, options);
  } catch (error) { got = error; }
  assert.match(String(got), /no room/);
  assert.is(one.memory().usedBytes, before);
});

test('nodes that are not placed go where their neighbours go', async () => {
  const whole = optimized(passing), counts = [0, 0];
  const counting = [one, other].map((engine, i): Engine => ({
    ...engine, compile: (input, given) => {
      counts[i] += input.graph.nodes.length;
      return engine.compile(input, given);
    },
  }));
  for (const placement of [[['first', 1]], [['second', 1]], []] as const) {
    const plan = await placedEngine(counting, new Map(placement)).compile(whole, options);
    plan.dispose();
  }
  assert.equal(counts, [2, 4]);
});

test.after(() => {
  one.dispose();
  other.dispose();
});

test.run();
