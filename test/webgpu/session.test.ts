import { defaultDevice, hasGpu, lower } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { SparseSession, type GpuTensor, type SessionOptions } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { near, oneNode, oracle } from '../runtime/nodes.ts';

// Sessions on WebGPU: what stays on the device, what goes wrong, what is given back.

const name = 'sessions on WebGPU';
const here = hasGpu(name);
/** For what neither loses it nor changes it: shaders are compiled once. */
const common = here ? await defaultDevice() : undefined!;

/** x → Conv 3x3 → Relu → ArgMax on the host beside it → Conv 1x1. */
function network(): Graph {
  return {
    name: 'small', inputs: [{ name: 'x', type: 'float32', dims: [1, 4, 'H', 'W'] }],
    outputs: [{ name: 'y', type: 'float32', dims: [] }, { name: 'best', type: 'int64', dims: [] }],
    nodes: [
      { name: 'first', op: 'Conv', inputs: ['x', 'w1'], outputs: ['a'], attrs: { pads: [1, 1, 1, 1] } },
      { name: 'act', op: 'Relu', inputs: ['a'], outputs: ['b'], attrs: {} },
      { name: 'which', op: 'ArgMax', inputs: ['b'], outputs: ['best'], attrs: { axis: 1 } },
      { name: 'second', op: 'Conv', inputs: ['b', 'w2'], outputs: ['y'], attrs: {} },
    ],
    constants: new Map([['w1', filled([16, 4, 3, 3], 1)], ['w2', filled([24, 16, 1, 1], 2)]]),
  };
}

const image = (height: number, width: number, seed = 1): Record<string, Tensor> => ({ x: filled([1, 4, height, width], seed) });
const on = (device?: GPUDevice, options: SessionOptions = {}): SessionOptions =>
  ({ executionProviders: ['webgpu'], webgpu: { device }, tune: 'predict', ...options });
const open = (device?: GPUDevice, options?: SessionOptions): Promise<SparseSession> => SparseSession.create(network(), on(device, options));

function agrees(outputs: Record<string, Tensor>, feeds: Record<string, Tensor>): void {
  for (const [output, tensor] of Object.entries(oracle({ graph: network(), feeds }))) near(outputs[output], tensor, output);
}

async function refused(action: () => Promise<unknown>, kind: ErrorKind, text: RegExp = /./): Promise<void> {
  let got: unknown;
  try { await action(); } catch (error) { got = error; }
  assert.ok(got instanceof BurinError, `a BurinError, got ${String(got)}`);
  assert.is(got.kind, kind, got.message);
  assert.match(got.message, text);
}

/** Counts the buffers of a device that were made and not destroyed. */
function watch(device: GPUDevice): { alive: Set<GPUBuffer>; made: () => number } {
  const alive = new Set<GPUBuffer>(), create = device.createBuffer.bind(device);
  let made = 0;
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor), destroy = buffer.destroy.bind(buffer);
    made++;
    alive.add(buffer);
    buffer.destroy = () => {
      alive.delete(buffer);
      return destroy();
    };
    return buffer;
  };
  return { alive, made: () => made };
}

/** A buffer with this data, as an app has one. */
function bufferOf(device: GPUDevice, data: Float32Array, usage = 4): GPUBuffer {
  const buffer = device.createBuffer({ size: data.byteLength, usage: 128 | 8 | usage });
  device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
  return buffer;
}

async function read(device: GPUDevice, { gpuBuffer, dims, type }: GpuTensor): Promise<Tensor> {
  const staging = device.createBuffer({ size: gpuBuffer.size, usage: 1 | 8 }), encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(gpuBuffer, 0, staging, 0, gpuBuffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const data = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return new Tensor(type, data.subarray(0, dims.reduce((a, b) => a * b, 1)).slice(), dims);
}

if (here) {
  test('a device of its own; the environment names the adapter and the plan what runs on the host', async () => {
    const session = await open(), feeds = image(4, 5);
    agrees(await session.run(feeds), feeds);
    assert.match(session.environment().adapter ?? '', /\w/);
    const layers = await session.prepare({ x: [1, 4, 4, 5] });
    assert.equal(layers.map(({ op, kernel }) => [op, kernel === 'host']), [['Conv', false], ['ArgMax', true], ['Conv', false]]);
    assert.ok(session.memory().usedBytes >= (16 * 4 * 9 + 24 * 16) * 4, 'weights are counted');
    const { totalMs, layerMs } = await session.profile(feeds, { samples: 2 });
    assert.is(totalMs.length, 2);
    assert.equal(layerMs.map((list) => list.length), layers.map(() => 2));
    assert.ok([...totalMs, ...layerMs.flat()].every((ms) => ms >= 0));
    session.release();
    await refused(() => session.run(feeds), 'state');
  });

  test('inputs and outputs stay on the device where they are asked to', async () => {
    const device = common, feeds = image(4, 6), expected = oracle({ graph: network(), feeds });
    const session = await SparseSession.create<GpuTensor>(network(), on(device, { preferredOutputLocation: { y: 'gpu-buffer' } }));
    const gpuBuffer = bufferOf(device, feeds.x.data as Float32Array);
    const { y, best } = await session.run({ x: { gpuBuffer, dims: feeds.x.dims, type: 'float32' } });
    assert.is(y.location, 'gpu-buffer');
    near(await read(device, y), expected.y, 'y');
    near(best as unknown as Tensor, expected.best, 'best');
    // What one network leaves, another takes.
    const chained = await SparseSession.create(oneNode('Neg', {}, [expected.y]).graph, on(device));
    const { y0 } = await chained.run({ x0: y });
    near(y0, new Tensor('float32', (expected.y.data as Float32Array).map((v) => -v), expected.y.dims), 'chained');
    y.dispose();
    const small = bufferOf(device, new Float32Array(4)), mute = bufferOf(device, new Float32Array(96), 0);
    await refused(() => session.run({ x: { gpuBuffer: small, dims: [1, 4, 4, 6], type: 'float32' } }), 'shape', /384 bytes/);
    await refused(() => session.run({ x: { gpuBuffer: mute, dims: [1, 4, 4, 6], type: 'float32' } }), 'argument', /COPY_SRC/);
    await refused(() => session.run({ x: { gpuBuffer, dims: [1, 4, 4, 6], type: 'int32' } }), 'dtype');
    near(await read(device, (await session.run(feeds)).y), expected.y, 'afterwards');
    const wasm = await SparseSession.create(network(), { tune: 'predict' });
    await refused(() => wasm.run({ x: { gpuBuffer, dims: [1, 4, 4, 6], type: 'float32' } }), 'argument', /GPUBuffer.*webgpu/);
    for (const one of [session, chained, wasm]) one.release();
  });

  test('a hundred sessions leave no buffer behind, and running makes none', async () => {
    const device = await defaultDevice(), { alive, made } = watch(device), feeds = image(4, 5);
    for (let i = 0; i < 100; i++) {
      const session = await open(device);
      await session.run(feeds);
      const before = made();
      await session.run(feeds);
      assert.is(made(), before);
      session.release();
    }
    assert.is(alive.size, 0);
    assert.ok(made() > 500, String(made()));
    const failing = await open(device);
    device.createComputePipelineAsync = () => Promise.reject(new Error('no'));
    const { graph } = oneNode('Cos', {}, [filled([3], 1)]);
    await refused(async () => (await SparseSession.create(graph, on(device))).prepare(), 'device', /no/);
    failing.release();
    assert.is(alive.size, 0, 'after a plan that failed');
    device.destroy();
  });

  test('five shapes keep four plans', async () => {
    const device = common, { alive } = watch(device), session = await open(device), counts: number[] = [];
    for (const [height, width] of [[1, 2], [2, 2], [3, 3], [4, 4], [4, 5], [5, 4]]) {
      agrees(await session.run(image(height, width)), image(height, width));
      counts.push(alive.size);
    }
    assert.is(counts[5], counts[4]);
    assert.is(counts[4], counts[3]);
    session.release();
    assert.is(alive.size, 0);
  });

  test('plans for other shapes share weights and constants until the last of them goes', async () => {
    const device = await defaultDevice(), { alive } = watch(device), session = await open(device);
    const constants = (): number => [...alive].filter(({ label }) => /values$|idx|ptr|bias|constant/.test(label)).length;
    const bytes = (): number => [...alive].reduce((sum, { size }) => sum + size, 0);
    agrees(await session.run(image(2, 2)), image(2, 2));
    const [first, once, used] = [constants(), bytes(), session.memory().usedBytes];
    for (const [height, width] of [[3, 3], [4, 4], [4, 5]]) agrees(await session.run(image(height, width)), image(height, width));
    assert.ok(first > 0);
    assert.is(constants(), first, 'four plans have the constants of one');
    assert.ok(bytes() < 4 * once && session.memory().usedBytes < 4 * used, 'and are smaller than four of them');
    // The first plan goes, the others keep what it brought along.
    agrees(await session.run(image(5, 5)), image(5, 5));
    agrees(await session.run(image(3, 3)), image(3, 3));
    assert.is(constants(), first);
    session.release();
    assert.is(alive.size, 0);
    device.destroy();
  });

  test('two sessions on one device, and runs asked for together, do not disturb each other', async () => {
    const device = common, [one, two] = [await open(device), await open(device)];
    const feeds = [image(4, 5, 1), image(5, 4, 2), image(4, 5, 3), image(4, 5, 4)];
    const results = await Promise.all(feeds.map((feed, i) => [one, two][i % 2].run(feed)));
    results.forEach((outputs, i) => agrees(outputs, feeds[i]));
    one.release();
    agrees(await two.run(feeds[0]), feeds[0]);
    two.release();
    assert.ok(await Promise.race([device.lost.then(() => false), Promise.resolve(true)]), 'the device of the caller is not destroyed');
  });

  test('heavy rows, and weights that 16 bits hold, run as they are timed, and nothing of what lost stays', async () => {
    const device = common, { alive } = watch(device);
    // Rows of 40 and one of 640 multiples of 1/8: 16 bits hold them.
    const values = Float32Array.from({ length: 12 * 640 }, (_, i) => (i < 640 || i % 16 === 0 ? ((i % 11) - 5) / 8 || 1 : 0));
    for (const vectors of [1, 12]) {
      const fed = oneNode('Linear', {}, [filled([vectors, 640], 1), { constant: new Tensor('float32', values, [12, 640]) }]);
      const expected = oracle(fed).y0;
      for (const tune of ['predict', 'measure'] as const) {
        const session = await SparseSession.create(fed.graph, on(device, { tune, formats: ['csr'] }));
        near((await session.run(fed.feeds)).y0, expected, `${vectors} vectors, ${tune}`);
        const [{ kernel, candidates }] = await session.prepare(), kernels = candidates.map((candidate) => candidate.kernel);
        if (tune === 'predict') assert.match(kernel, vectors === 1 ? /^f16_csr_spmv_/ : /^f32_csr_spmm_/);
        else {
          assert.ok(kernels.some((name) => name.startsWith('f16_')) && kernels.some((name) => name.startsWith('f32_')), kernels.join());
          assert.is(kernels.some((name) => name.endsWith('_split')), true, kernels.join());
        }
        const weights = kernel.startsWith('f16_') ? 2 : 4, room = kernel.endsWith('_split');
        assert.ok(session.memory().usedBytes >= 1080 * (weights + 2));
        assert.is([...alive].some(({ label }) => label.endsWith('sums of pieces')), room, kernel);
        session.release();
        assert.is(alive.size, 0, `${vectors} vectors, ${tune}`);
      }
    }
  });

  test('a lost device rejects what is under way and what comes, and recover goes on', async () => {
    const device = await defaultDevice(), session = await open(device), feeds = image(4, 4);
    agrees(await session.run(feeds), feeds);
    const under = [session.run(feeds), session.run(feeds)].map((run) => run.then(() => 'done', (error: BurinError) => error.kind));
    device.destroy();
    for (const end of await Promise.all(under)) assert.is(end, 'device');
    await device.lost;
    await refused(() => session.run(feeds), 'device', /lost.*recover/);
    await session.recover();
    agrees(await session.run(feeds), feeds);
    const next = await defaultDevice();
    await session.recover(next);
    agrees(await session.run(feeds), feeds);
    session.release();
    next.destroy();
    const wasm = await SparseSession.create(network(), { tune: 'predict' });
    await wasm.recover();
    agrees(await wasm.run(feeds), feeds);
    wasm.release();
  });

  test('what a device cannot bind runs on the host', async () => {
    const device = await defaultDevice(), feeds = image(12, 12);
    lower(device, 'maxStorageBufferBindingSize', 4096);
    const session = await open(device);
    agrees(await session.run(feeds), feeds);
    const layers = await session.prepare({ x: [1, 4, 12, 12] });
    // 16 × 144 floats do not fit, 4 × 144 do.
    assert.equal(layers.map(({ kernel }) => kernel), ['host', 'host', 'host']);
    await session.prepare({ x: [1, 4, 3, 3] });
    assert.ok((await session.prepare({ x: [1, 4, 3, 3] })).some(({ kernel }) => kernel !== 'host'));
    agrees(await session.run(image(3, 3)), image(3, 3));
    session.release();
    device.destroy();
  });

  test('more workgroups than a row of them has are folded', async () => {
    const device = await defaultDevice();
    lower(device, 'maxComputeWorkgroupsPerDimension', 7);
    for (const fed of [
      oneNode('Relu', {}, [filled([3000], 1)]), oneNode('Add', {}, [filled([50, 60], 1), filled([60], 2)]),
      oneNode('Transpose', {}, [filled([50, 60], 1)]), oneNode('Softmax', { axis: 1 }, [filled([20, 300], 1)]),
      oneNode('ReduceMax', { keepdims: 0 }, [filled([20, 300], 1), { constant: new Tensor('int64', [1]) }]),
      oneNode('MaxPool', { kernel_shape: [2, 2] }, [filled([3, 4, 20, 20], 1)]),
      oneNode('LayerNormalization', {}, [filled([31, 20], 1), { constant: filled([20], 2) }]),
    ]) {
      const session = await SparseSession.create(fed.graph, on(device));
      const outputs = await session.run(fed.feeds);
      for (const [output, tensor] of Object.entries(oracle(fed))) near(outputs[output], tensor, `${fed.graph.name} ${output}`);
      session.release();
    }
    device.destroy();
  });

  test('no memory left is a limit, not zeros, and the session stays usable', async () => {
    const device = await defaultDevice(), session = await open(device), feeds = image(4, 4), create = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => create({ ...descriptor, size: 2 ** 40 });
    await refused(() => session.run(feeds), 'device');
    device.createBuffer = () => { throw new RangeError('no room'); };
    await refused(() => session.run(feeds), 'limit', /no room/);
    device.createBuffer = create;
    agrees(await session.run(feeds), feeds);
    session.release();
    device.destroy();
  });

  test('NaN passes through a network', async () => {
    const device = common, session = await open(device), feeds = image(4, 4);
    (feeds.x.data as Float32Array)[20] = NaN;
    const { y } = await session.run(feeds), expected = oracle({ graph: network(), feeds }).y;
    near(y, expected, 'y');
    assert.ok((y.data as Float32Array).some(Number.isNaN));
    session.release();
  });

  test('what was measured serves the next plan, and the options are kept to', async () => {
    const device = common, feeds = image(4, 4), tuning = {};
    const session = await open(device, { tune: 'measure', tuning }), layers = await session.prepare({ x: [1, 4, 4, 4] });
    agrees(await session.run(feeds), feeds);
    const convolutions = layers.filter(({ op }) => op === 'Conv');
    assert.equal(convolutions.map(({ decided }) => decided), ['timed', 'timed']);
    assert.ok(convolutions.every(({ candidates }) => candidates.length > 1 && candidates.every(({ ms }) => ms > 0)));
    const again = await open(device, { tune: 'measure', tuning: session.tuning() });
    const known = (await again.prepare({ x: [1, 4, 4, 4] })).filter(({ op }) => op === 'Conv');
    assert.equal(known.map(({ kernel, decided }) => [kernel, decided]), convolutions.map(({ kernel }) => [kernel, 'remembered']));
    session.release();
    again.release();
  });

  test('auto measures WebAssembly against WebGPU and says what it took', async () => {
    const session = await SparseSession.create(network(), { executionProviders: ['auto'], tune: 'predict' }), feeds = image(4, 4);
    assert.is(session.environment().choice, undefined);
    agrees(await session.run(feeds), feeds);
    const { chosen, why, ms } = session.environment().choice!;
    assert.equal(Object.keys(ms).sort(), ['wasm', 'webgpu']);
    assert.is(ms[chosen], Math.min(...Object.values(ms)));
    assert.match(why, /ms a run against/);
    await session.recover();
    agrees(await session.run(feeds), feeds);
    session.release();
    const staying = await SparseSession.create<GpuTensor>(network(), {
      executionProviders: ['auto'], tune: 'predict', preferredOutputLocation: 'gpu-buffer',
    });
    (await staying.run(feeds)).y.dispose();
    assert.equal([staying.environment().choice!.chosen, staying.environment().choice!.why], ['webgpu', 'outputs stay on the device']);
    staying.release();
  });
}

test.run();
