import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { specialize } from '../../src/graph/evaluate.ts';
import type { Optimized } from '../../src/graph/passes/index.ts';
import { openAuto } from '../../src/runtime/auto.ts';
import { beats, type Rival } from '../../src/runtime/contest.ts';
import type { Engine, EngineOptions } from '../../src/runtime/engine.ts';
import type { LayerPlan } from '../../src/runtime/plan.ts';
import { sizeOf, Tensor } from '../../src/tensor.ts';

// Whether the automatic choice splits a network between two engines, on engines whose layers and handing over take known times.

const names = ['one', 'two', 'three', 'four'];
const wide = 1000;

/** x → one → two → three → four → y; little passes between two and three. */
const graph: Graph = {
  name: 'row', inputs: [{ name: 'v0', type: 'float32', dims: [1, wide] }], outputs: [{ name: 'v4', type: 'float32', dims: [] }],
  nodes: names.map((name, i): Node => (i === 1
    ? { name, op: 'ReduceMax', inputs: ['v1'], outputs: ['v2'], attrs: { axes: [1], keepdims: 1 } }
    : { name, op: 'Neg', inputs: [`v${i}`], outputs: [`v${i + 1}`], attrs: {} })),
  constants: new Map(),
};
const fixed = specialize(graph), input: Optimized = { ...fixed, parts: new Map(), given: new Map() };

/** Ms of a run, of a byte that goes in or comes out, of each layer by name, and what is added to whole runs of a split. */
interface Speed { run: number; byte: number; layers: Readonly<Record<string, number>>; surprise?: number | Error }
interface Fake { engine: Engine; plans: number; open: boolean; compiled: number; recovered: number; parts: number }

function fake(name: string, { run, byte, layers, surprise = 0 }: Speed, clock: { now: number }): Fake {
  const made: Fake = { engine: undefined as never, plans: 0, open: true, compiled: 0, recovered: 0, parts: 0 };
  const engine: Engine = {
    name, buffers: name === 'webgpu', told: () => ({ simd: 'none', threads: 1, ...(name === 'webgpu' && { adapter: 'fake' }) }),
    memory: () => ({ usedBytes: 10, totalBytes: 20 }),
    compile({ graph: own }) {
      made.plans++;
      made.compiled++;
      const times = own.nodes.map((node) => layers[node.name] ?? 0), part = own.nodes.length > 1 && own.nodes.length < names.length;
      return {
        layers: own.nodes.map((node) => ({ name: node.name, backend: name }) as LayerPlan),
        // What a profile adds to each layer is not in a whole run.
        profile: () => times.map((ms) => ms + 0.5), dispose: () => { made.plans--; },
        run(feeds) {
          const bytes = Object.values(feeds).reduce((sum, { dims }) => sum + sizeOf(dims) * 4, 0);
          const out = own.outputs.map((info) => [info.name, info.dims as number[]] as const);
          clock.now += run + byte * (bytes + out.reduce((sum, [, dims]) => sum + sizeOf(dims) * 4, 0));
          if (part && typeof surprise !== 'number' && ++made.parts > 1) throw surprise;
          clock.now += times.reduce((sum, ms) => sum + ms, 0) + (part && typeof surprise === 'number' ? surprise : 0);
          return Object.fromEntries(out.map(([of, dims]) => [of, new Tensor('float32', new Float32Array(sizeOf(dims)), dims)]));
        },
      };
    },
    ...(name === 'webgpu' && { recover: async () => { made.recovered++; return engine; } }),
    dispose: () => { made.open = false; },
  };
  made.engine = engine;
  return made;
}

const measured = { tune: 'measure', tuneBudgetMs: 10_000 } as EngineOptions;
const on = (one: number, two: number, three: number, four: number) => ({ one, two, three, four });

async function contest(gpu: Partial<Speed>, cpu: Partial<Speed>, options = measured) {
  const clock = { now: 0 }, webgpu = fake('webgpu', { run: 1, byte: 1e-4, layers: on(1, 1, 8, 8), ...gpu }, clock);
  const wasm = fake('wasm', { run: 0, byte: 1e-5, layers: on(8, 8, 1, 1), ...cpu }, clock);
  const auto = await openAuto({ webgpu: async () => webgpu.engine, wasm: async () => wasm.engine }, () => clock.now);
  const plan = await auto.compile(input, options);
  return { auto, plan, webgpu, wasm, choice: auto.told().choice!, clock };
}

test('layers go where they are fast when little passes between', async () => {
  const { auto, plan, webgpu, wasm, choice } = await contest({}, {});
  assert.is(choice.chosen, 'webgpu+wasm');
  assert.equal(choice.segments, [
    { backend: 'webgpu', first: 'one', last: 'two', layers: 2 }, { backend: 'wasm', first: 'three', last: 'four', layers: 2 },
  ]);
  assert.equal(plan.layers.map(({ name, backend }) => [name, backend]), names.map((name, i) => [name, i < 2 ? 'webgpu' : 'wasm']));
  assert.ok(choice.ms[choice.chosen] < 6 && choice.ms.webgpu > 19 && choice.ms.wasm > 18, JSON.stringify(choice.ms));
  assert.match(choice.why, /^webgpu\+wasm 5\.\d\d ms a run against wasm 18\.\d\d ms and webgpu 19\.\d\d ms, .*promised 5\.\d\d ms/);
  assert.match(choice.why, /one to two on webgpu, three to four on wasm$/);
  assert.equal([webgpu.open, wasm.open, webgpu.plans, wasm.plans], [true, true, 1, 1], 'the whole plans are gone');
  assert.equal([auto.memory().usedBytes, auto.buffers, auto.told().adapter], [20, false, 'fake']);
  (await auto.compile(input, measured)).dispose();
  await auto.recover!();
  assert.is(webgpu.recovered, 1);
  (await auto.compile(input, measured)).dispose();
  plan.dispose();
  assert.equal([webgpu.plans, wasm.plans], [0, 0]);
  auto.dispose();
  assert.equal([webgpu.open, wasm.open], [false, false]);
});

test('what handing over costs is measured, and forbids a split', async () => {
  const { choice, webgpu, wasm } = await contest({ run: 14, layers: on(1, 1, 2, 8) }, {});
  assert.is(choice.chosen, 'wasm');
  assert.match(choice.why, /wasm 18\.\d\d ms a run against webgpu .*; no split by layers promises less than 18\.\d\d ms$/);
  assert.equal([choice.segments, webgpu.open, wasm.open, wasm.plans], [undefined, false, true, 1]);
});

test('a device that is faster throughout runs all, and no handing over is measured', async () => {
  const { choice, webgpu } = await contest({ layers: on(0.5, 0.5, 0.5, 0.5) }, {});
  assert.match(choice.why, /^webgpu .*no split by layers promises less/);
  assert.equal([choice.chosen, webgpu.compiled], ['webgpu', 1]);
});

test('a split that promised more than it keeps is given up', async () => {
  const { choice, plan, webgpu, wasm } = await contest({ surprise: 20 }, {});
  assert.equal([choice.chosen, choice.segments, webgpu.open, webgpu.plans, wasm.plans], ['wasm', undefined, false, 0, 1]);
  assert.match(choice.why, /a split by layers promised 5\.\d\d ms and took 25\.\d\d ms$/);
  plan.dispose();
});

test('a split that fails while it is timed is given up, and the times of the others stand', async () => {
  const { choice, webgpu, wasm } = await contest({ surprise: new Error('no room') }, {});
  assert.equal([choice.chosen, webgpu.plans, wasm.plans], ['wasm', 0, 1]);
  assert.match(choice.why, /^wasm 18\.\d\d ms a run against webgpu 19\.\d\d ms, .*; a split by layers fails: no room$/);
});

test('no split is looked for without time or measuring', async () => {
  const late = await contest({}, {}, { ...measured, tuneBudgetMs: 100 });
  assert.match(late.choice.why, /wasm .*no time was left to look for a split/);
  const quick = await contest({}, {}, { ...measured, tune: 'predict' });
  assert.match(quick.choice.why, /tune is predict/);
  assert.equal([late.webgpu.compiled, quick.webgpu.compiled], [1, 1]);
});

test('a device that fails while layers are timed still runs the whole', async () => {
  const clock = { now: 0 }, webgpu = fake('webgpu', { run: 0, byte: 0, layers: on(1, 1, 1, 1) }, clock);
  const wasm = fake('wasm', { run: 0, byte: 0, layers: on(9, 9, 9, 9) }, clock), { compile } = webgpu.engine;
  const failing: Engine = {
    ...webgpu.engine,
    compile: async (...args) => ({ ...await compile(...args), profile: () => { throw new Error('no clock'); } }),
  };
  const auto = await openAuto({ webgpu: async () => failing, wasm: async () => wasm.engine }, () => clock.now);
  await auto.compile(input, measured);
  assert.match(auto.told().choice!.why, /^webgpu .*no split by layers: no clock/);
});

test('the noise of a clock is no gain', () => {
  const rival = (...times: number[]): Rival => ({ name: 'r', plan: undefined as never, times });
  assert.is(beats(rival(8, 8, 8, 8), rival(10, 10, 10, 10)), true);
  assert.is(beats(rival(9.9, 9.9, 9.9), rival(10, 10, 10)), false, 'less than 2 %');
  assert.is(beats(rival(8, 12, 8, 12, 12), rival(10, 10, 10, 10, 10)), false);
  assert.is(beats(rival(8, 8, 11, 8, 8, 8, 8), rival(10, 10, 10, 10, 10, 10, 10)), true, 'one round of seven may be disturbed');
  assert.is(beats(rival(5), rival(10)), false, 'once is never');
});

test.run();
