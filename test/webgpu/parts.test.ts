import { defaultDevice, hasGpu, lower } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../src/expect.ts';
import type { Node } from '../../src/graph/graph.ts';
import { SparseSession, type SessionOptions } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { fixed, near, oneNode, oracle, type Argument } from '../runtime/nodes.ts';

// Weights larger than a device can bind are run in parts of rows.

const here = hasGpu('weights in parts');
const on = (device: GPUDevice, options: SessionOptions = {}): SessionOptions =>
  ({ executionProviders: ['webgpu'], webgpu: { device }, tune: 'predict', ...options });

/** What takes the job, the four arrays of a weight, B, a residual, taps and C. */
const BOUND = 9;

/** A device that binds no more than so many bytes, the largest buffer it was asked for, and where products begin in what they write. */
async function small(bytes: number): Promise<{ device: GPUDevice; largest: () => number; products: ReadonlySet<number> }> {
  const device = await defaultDevice(), create = device.createBuffer.bind(device), group = device.createBindGroup.bind(device);
  const products = new Set<number>();
  device.createBindGroup = (descriptor) => {
    const entries = [...descriptor.entries];
    if (entries.length === BOUND) products.add((entries.at(-1)!.resource as GPUBufferBinding).offset ?? 0);
    return group(descriptor);
  };
  let largest = 0;
  lower(device, 'maxStorageBufferBindingSize', bytes);
  device.createBuffer = (descriptor) => {
    largest = Math.max(largest, descriptor.size);
    return create(descriptor);
  };
  return { device, largest: () => largest, products };
}

/** A weight most of whose entries are zeros, the upper rows fuller than the lower ones. */
function sparse(dims: readonly number[], seed: number): Tensor {
  const weight = filled(dims, seed), data = weight.data, each = data.length / dims[0];
  data.forEach((_, i) => { if ((i * 7919) % 11 > 3 - Math.floor((3 * i) / each / dims[0])) data[i] = 0; });
  return weight;
}

interface Case {
  readonly op: string;
  readonly attrs?: Node['attrs'];
  readonly args: readonly Argument[];
  readonly limit: number;
  readonly formats?: readonly string[];
  /** Dispatches of its product. */
  readonly parts: number;
}

const cases: Readonly<Record<string, Case>> = {
  // 64 rows of 256 floats are 65,536 bytes.
  'a vector times a matrix': {
    op: 'Gemm', attrs: { transB: 1 }, args: [filled([1, 256], 1), fixed(filled([200, 256], 2)), fixed(filled([200], 3))],
    limit: 70_000, parts: 4,
  },
  'vectors times a matrix': {
    op: 'Gemm', attrs: { transB: 1 }, args: [filled([5, 256], 1), fixed(filled([200, 256], 2)), fixed(filled([200], 3))],
    limit: 140_000, parts: 2,
  },
  'a convolution of two images': {
    op: 'Conv', args: [filled([2, 300, 3, 5], 1), fixed(filled([130, 300, 1, 1], 2)), fixed(filled([130], 3))], limit: 80_000, parts: 3,
  },
  'a convolution of windows': {
    op: 'Conv', attrs: { pads: [1, 1, 1, 1], strides: [2, 2] }, args: [filled([1, 40, 6, 5], 1), fixed(filled([70, 40, 3, 3], 2))],
    limit: 95_000, parts: 2,
  },
  'a transposed convolution': {
    op: 'ConvTranspose', attrs: { strides: [2, 2] }, limit: 20_000, parts: 3,
    args: [filled([1, 64, 4, 3], 1), fixed(filled([64, 40, 2, 2], 2)), fixed(filled([40], 3))],
  },
  'single weights': {
    op: 'Gemm', attrs: { transB: 1 }, args: [filled([3, 400], 1), fixed(sparse([300, 400], 2))], formats: ['csr'],
    limit: 60_000, parts: 4,
  },
};

if (here) {
  for (const [name, { op, attrs = {}, args, limit, formats, parts }] of Object.entries(cases)) {
    test(`${name} in ${parts} parts`, async () => {
      const fed = oneNode(op, attrs, args), { device, largest, products } = await small(limit);
      const session = await SparseSession.create(fed.graph, on(device, { formats }));
      near((await session.run(fed.feeds)).y0, oracle(fed).y0, name, 1e-4);
      const [layer] = await session.prepare();
      assert.is.not(layer.kernel, 'host');
      if (formats) assert.is(layer.format, formats[0]);
      assert.ok(largest() <= limit, `${largest()} bytes`);
      assert.is(products.size, parts, [...products].join());
      // Measuring takes the same parts.
      const timed = await SparseSession.create(fed.graph, on(device, { formats, tune: 'measure', tuning: {} }));
      near((await timed.run(fed.feeds)).y0, oracle(fed).y0, name, 1e-4);
      for (const one of [session, timed]) one.release();
      device.destroy();
    });
  }

  test('what cannot be cut runs on the host', async () => {
    const fed = oneNode('Gemm', { transB: 1 }, [filled([1, 256], 1), fixed(filled([200, 256], 2))]), { device } = await small(60_000);
    const session = await SparseSession.create(fed.graph, on(device));
    near((await session.run(fed.feeds)).y0, oracle(fed).y0, 'y0');
    assert.equal((await session.prepare()).map(({ kernel }) => kernel), ['host']);
    session.release();
    device.destroy();
  });

  test('what stores too much in one place runs on the host, or as it can be cut', async () => {
    for (const [full, kernel] of [[1, /^host$/], [0.5, /^f32_csr_/]] as const) {
      const weight = filled([200, 256], 2), { device, largest } = await small(60_000);
      weight.data.forEach((_, i) => { if (i > 64 * 256 ? i % 50 : (i % 256) >= full * 256) weight.data[i] = 0; });
      const fed = oneNode('Gemm', { transB: 1 }, [filled([1, 256], 1), fixed(weight)]);
      const session = await SparseSession.create(fed.graph, on(device, { formats: ['dense', 'csr'] }));
      near((await session.run(fed.feeds)).y0, oracle(fed).y0, 'y0');
      assert.match((await session.prepare())[0].kernel, kernel);
      assert.ok(largest() <= 60_000, `${largest()} bytes`);
      session.release();
      device.destroy();
    }
  });

  test('a buffer that cannot be bound is refused by name, with the limit and what to do', async () => {
    const { device } = await small(4096), { graph } = oneNode('Relu', {}, [filled([2000], 1)]);
    const session = await SparseSession.create(graph, on(device)), gpuBuffer = device.createBuffer({ size: 8000, usage: 128 | 4 });
    let got: unknown;
    try { await session.run({ x0: { gpuBuffer, dims: [2000], type: 'float32' } }); } catch (error) { got = error; }
    assert.ok(got instanceof BurinError && got.kind === 'limit', String(got));
    assert.match(got.message, /x0.*4080 bytes.*8000 bytes.*larger limits/s);
    session.release();
    device.destroy();
  });
}

test.run();
