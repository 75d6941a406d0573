import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import type { Optimized } from '../../src/graph/passes/index.ts';
import { openAuto } from '../../src/runtime/auto.ts';
import type { Engine, EngineOptions } from '../../src/runtime/engine.ts';
import { Tensor } from '../../src/tensor.ts';

// The automatic choice between engines, on engines that take a known time.

const graph: Graph = {
  name: 'made up', inputs: [{ name: 'x', type: 'float32', dims: [3] }, { name: 'i', type: 'int64', dims: [2] }],
  outputs: [{ name: 'y', type: 'float32', dims: [3] }], nodes: [], constants: new Map(),
};
const input: Optimized = { graph, types: new Map(), parts: new Map(), given: new Map() };
const options = {} as EngineOptions;

interface Fake { engine: Engine; plans: number; runs: number; open: boolean }

/** An engine whose runs take `ms` of a clock, or throw; after `most` of them its device is gone. */
function fake(name: string, ms: number | Error, clock: { now: number }, most = Infinity): Fake {
  const made: Fake = { engine: undefined as never, plans: 0, runs: 0, open: true };
  made.engine = {
    name, buffers: name === 'webgpu', told: () => ({ simd: 'none', threads: 1 }), memory: () => ({ usedBytes: 10, totalBytes: 20 }),
    compile: () => {
      made.plans++;
      return {
        layers: [], profile: () => [], dispose: () => { made.plans--; },
        run(feeds) {
          made.runs++;
          if (typeof ms !== 'number') throw ms;
          if (made.runs > most) throw new Error(`${name} is lost`);
          clock.now += ms;
          assert.equal(Object.keys(feeds), ['x', 'i']);
          assert.equal((feeds.i as Tensor).data, BigInt64Array.of(0n, 0n), 'indices are zeros');
          return { y: new Tensor('float32', [1, 2, 3]) };
        },
      };
    },
    dispose: () => { made.open = false; },
  };
  return made;
}

const contest = async (a: number | Error, b: number | Error, given: EngineOptions = options) => {
  const clock = { now: 0 }, [webgpu, wasm] = [fake('webgpu', a, clock), fake('wasm', b, clock)];
  const auto = await openAuto({ webgpu: async () => webgpu.engine, wasm: async () => wasm.engine }, () => clock.now);
  assert.is(auto.told().choice, undefined);
  assert.is(auto.memory().usedBytes, 20);
  await auto.compile(input, given);
  return { auto, webgpu, wasm, choice: auto.told().choice! };
};

test('the faster engine is kept, the other one is given up', async () => {
  const { auto, webgpu, wasm, choice } = await contest(5, 2);
  assert.equal([choice.chosen, choice.ms], ['wasm', { webgpu: 5, wasm: 2 }]);
  assert.match(choice.why, /wasm 2.00 ms a run against webgpu 5.00 ms/);
  assert.equal([wasm.open, webgpu.open, wasm.plans, webgpu.plans], [true, false, 1, 0]);
  assert.is(auto.memory().usedBytes, 10);
  assert.is(auto.buffers, false);
  await auto.compile(input, options);
  assert.equal([wasm.plans, webgpu.plans], [2, 0], 'the choice stands');
  auto.dispose();
  assert.is(wasm.open, false);
  assert.is((await contest(1, 3)).choice.chosen, 'webgpu');
  assert.is((await contest(1, 3)).auto.buffers, true);
});

test('a hopeless engine is timed once', async () => {
  const { webgpu, wasm } = await contest(100, 1);
  assert.ok(webgpu.runs === 3 && wasm.runs > 5, `${webgpu.runs} and ${wasm.runs}`);
});

test('an engine that fails loses, and is named', async () => {
  const { choice, webgpu, wasm } = await contest(new Error('no room'), 2);
  assert.equal([choice.chosen, choice.why, choice.ms], ['wasm', 'webgpu fails: no room', {}]);
  assert.equal([webgpu.open, webgpu.plans, wasm.plans], [false, 0, 1]);
  let got: unknown;
  try { await contest(new Error('one'), new Error('two')); } catch (error) { got = error; }
  assert.match(String(got), /two/);
});

test('an engine that fails while they take turns loses too, and leaves no plan', async () => {
  const clock = { now: 0 }, [webgpu, wasm] = [fake('webgpu', 1, clock, 2), fake('wasm', 2, clock)];
  const auto = await openAuto({ webgpu: async () => webgpu.engine, wasm: async () => wasm.engine }, () => clock.now);
  await auto.compile(input, options);
  const { chosen, why } = auto.told().choice!;
  assert.equal([chosen, why], ['wasm', 'timing fails: webgpu is lost']);
  assert.equal([webgpu.open, webgpu.plans, wasm.plans], [false, 0, 1]);
});

test('outputs that are to stay on a device come to the host where there is none', async () => {
  const clock = { now: 0 }, wasm = fake('wasm', 2, clock), none = async (): Promise<Engine> => { throw new Error('no adapter'); };
  const auto = await openAuto({ webgpu: none, wasm: async () => wasm.engine }, () => clock.now);
  await auto.compile(input, { stays: () => true } as unknown as EngineOptions);
  assert.is(auto.told().choice!.chosen, 'wasm');
});

test('outputs that stay on the device decide', async () => {
  const { choice } = await contest(100, 1, { stays: () => true } as unknown as EngineOptions);
  assert.equal([choice.chosen, choice.why], ['webgpu', 'outputs stay on the device']);
});

test('an engine that does not start is no rival', async () => {
  const clock = { now: 0 }, wasm = fake('wasm', 1, clock), none = async (): Promise<Engine> => { throw new Error('no adapter'); };
  const auto = await openAuto({ webgpu: none, wasm: async () => wasm.engine }, () => clock.now);
  await auto.compile(input, options);
  assert.equal(auto.told().choice, { chosen: 'wasm', why: 'webgpu does not start: no adapter', ms: {} });
  let got: unknown;
  try { await openAuto({ webgpu: none, wasm: none }); } catch (error) { got = error; }
  assert.ok(got instanceof BurinError && got.kind === 'device', String(got));
});

test.run();
