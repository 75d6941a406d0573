import { defaultDevice, deviceWith, hasGpu } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Attr } from '../../src/graph/graph.ts';
import { lowerings as inWasm } from '../../src/runtime/lower/index.ts';
import type { SessionOptions } from '../../src/runtime/session.ts';
import { lowerings } from '../../src/runtime/webgpu/lower/index.ts';
import { shareBuffers } from '../../src/runtime/webgpu/slots.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { fixed, near, oneNode, oracle, runOnce, type Argument } from '../runtime/nodes.ts';

// Operators that run on a GPU and on the host in WebAssembly, against the plain loops; the others are in test/runtime, on every device.

const device = hasGpu('operators on WebGPU') ? await defaultDevice() : undefined;
const options: SessionOptions = { executionProviders: ['webgpu'], webgpu: { device } };

const x = (...dims: number[]): Tensor<Float32Array> => filled(dims, 1);
const y = (...dims: number[]): Tensor<Float32Array> => filled(dims, 2);
const w = (...dims: number[]): Argument => fixed(filled(dims, 3));
const ints = (...values: number[]): Argument => fixed(new Tensor('int64', values));
const floats = (...values: number[]): Argument => fixed(new Tensor('float32', values));
const mapped = (tensor: Tensor<Float32Array>, f: (v: number) => number): Tensor => new Tensor('float32', tensor.data.map(f), tensor.dims);
const positive = (...dims: number[]): Tensor => mapped(x(...dims), (v) => Math.abs(v) + 0.1);

interface Case {
  readonly args: readonly Argument[];
  readonly attrs?: Readonly<Record<string, Attr>>;
  readonly tolerance?: number;
  readonly kernel?: RegExp;
}
/** The shaders that weights have too. */
const PRODUCT = /^f32_dense_/;
/** What built-ins for angles promise, at worst. */
const COARSE = 1e-3;

const wide = (factor: number): Case => ({ args: [mapped(x(40), (v) => v * factor)] });
const angles: Case = { ...wide(3), tolerance: COARSE };
const sides: Case = { ...wide(0.99), tolerance: COARSE };
const odd = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.2, -3.7, 0];

const cases: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  ThresholdedRelu: { plain: wide(3), alpha: { ...wide(1), attrs: { alpha: 0.2 } } },
  Elu: { plain: wide(3), alpha: { ...wide(3), attrs: { alpha: 0.5 } } },
  Celu: { plain: wide(3), alpha: { ...wide(3), attrs: { alpha: 2 } } },
  Selu: { plain: wide(3), parameters: { ...wide(3), attrs: { alpha: 1.5, gamma: 2 } } },
  Mish: { plain: wide(6), far: wide(80) },
  Gelu: { plain: wide(4), tanh: { ...wide(4), attrs: { approximate: 'tanh' } } },
  Softplus: { plain: wide(6), far: wide(200) },
  Softsign: { plain: wide(6) },
  Log: { plain: { args: [positive(40)] } },
  Sign: { plain: wide(1), zero: { args: [new Tensor('float32', [0, -3, 3])] } },
  Floor: { plain: { args: [new Tensor('float32', odd)] } },
  Ceil: { plain: { args: [new Tensor('float32', odd)] } },
  Round: { 'halves to even': { args: [new Tensor('float32', odd)] } },
  Sin: { plain: angles }, Cos: { plain: angles }, Tan: { plain: { ...wide(1), tolerance: COARSE } },
  Asin: { plain: sides }, Acos: { plain: sides }, Atan: { plain: angles },
  Sinh: { plain: angles }, Cosh: { plain: angles },
  Asinh: { plain: angles, far: { args: [new Tensor('float32', [3e20, -3e20, 0])], tolerance: 1e-5 } },
  Acosh: { plain: { args: [mapped(x(40), (v) => 1 + Math.abs(v) * 5)], tolerance: COARSE } },
  Atanh: { plain: { ...wide(0.9), tolerance: COARSE } },
  Pow: {
    squares: { args: [x(3, 5), floats(2)] }, cubes: { args: [x(3, 5), floats(3)] }, zeroth: { args: [x(5), floats(0)] },
    'of positives': { args: [positive(2, 3), y(3)], tolerance: 1e-4 }, 'of negatives': { args: [x(9), floats(0.5)] },
  },
  Mod: {
    plain: { args: [mapped(x(9), (v) => v * 7), floats(1.5)] },
    fmod: { args: [mapped(x(9), (v) => v * 7), floats(1.5)], attrs: { fmod: 1 } },
  },
  Mean: { 'of three': { args: [x(2, 3), y(3), w(2, 1)] }, 'of two': { args: [x(4), y(4)] } },
  ReduceMin: { rows: { args: [x(3, 14), ints(1)] }, long: { args: [x(3, 700), ints(1)] } },
  ReduceProd: { rows: { args: [positive(3, 5), ints(1)] } },
  ReduceL1: { rows: { args: [x(3, 14), ints(0)] } },
  ReduceL2: { rows: { args: [x(3, 14), ints(1)] }, long: { args: [x(2, 1000), ints(1)], tolerance: 1e-4 } },
  ReduceSumSquare: { all: { args: [x(3, 14)] } },
  ReduceLogSum: { rows: { args: [positive(3, 14), ints(1)] } },
  ReduceLogSumExp: { rows: { args: [x(3, 14), ints(1)] } },
  ReduceSum: {
    'axes that are apart': { args: [x(2, 3, 5, 7), ints(0, 2)] }, long: { args: [x(3, 777, 2), ints(1)], tolerance: 1e-4 },
    'no axis': { args: [x(2, 3), ints()], attrs: { noop_with_empty_axes: 1 } },
  },
  ReduceMean: {
    'axes that are apart': { args: [x(2, 3, 5, 7), ints(1, 3)], attrs: { keepdims: 0 } }, 'long and all': { args: [x(30, 40)] },
  },
  GlobalAveragePool: { long: { args: [x(1, 3, 20, 20)] } },
  Softmax: { 'long rows': { args: [x(3, 700)], attrs: { axis: 1 } }, 'long columns': { args: [x(2, 300, 3)], attrs: { axis: 1 } } },
  LogSoftmax: { rows: { args: [x(3, 14)] }, long: { args: [x(2, 500)], tolerance: 1e-4 } },
  LayerNormalization: {
    'last axis': { args: [x(2, 3, 20), w(20), w(20)] }, 'two axes': { args: [x(2, 3, 20), w(3, 20)], attrs: { axis: 1 } },
    'computed scale': { args: [x(4, 70), y(70)], attrs: { epsilon: 1e-2 } },
    'a scale that repeats': { args: [x(2, 3, 4), w(3, 1)], attrs: { axis: 1 } },
  },
  InstanceNormalization: { plain: { args: [x(2, 3, 5, 7), w(3), w(3)] }, large: { args: [x(1, 2, 30, 30), w(2), w(2)] } },
  BatchNormalization: { plain: { args: [x(2, 3, 4, 5), w(3), w(3), w(3), fixed(positive(3))], attrs: { epsilon: 1e-3 } } },
  LRN: {
    plain: { args: [x(2, 7, 3, 2)], attrs: { size: 3 } },
    parameters: { args: [x(1, 6, 4)], attrs: { size: 4, alpha: 0.1, beta: 0.5, bias: 2 } },
  },
  Tile: { plain: { args: [x(2, 3), ints(2, 3)] }, 'one axis': { args: [x(2, 3), ints(1, 2)] }, nothing: { args: [x(2, 3), ints(1, 1)] } },
  Gather: {
    rows: { args: [x(5, 3), ints(0, 4, -1, 2)] }, columns: { args: [x(2, 5, 3), ints(1, 1)], attrs: { axis: 1 } },
    'one row': { args: [x(5, 3), fixed(new Tensor('int64', [2], []))] },
    'indices in a matrix': { args: [x(5, 3), fixed(new Tensor('int64', [0, 1, 2, 3], [2, 2]))] },
  },
  Pad: {
    crops: { args: [x(4, 5), ints(-1, 0, 0, 2)] }, reflects: { args: [x(4, 5), ints(1, 2, 1, 0)], attrs: { mode: 'reflect' } },
    'with the edge': { args: [x(2, 3, 4), ints(1, 0, 2, 0, 1, 1)], attrs: { mode: 'edge' } },
    wraps: { args: [x(3, 4), ints(1, 2, 1, 1)], attrs: { mode: 'wrap' } },
  },
  Resize: {
    cubic: { args: [x(1, 2, 5, 7), undefined, floats(1, 1, 2, 1.5)], attrs: { mode: 'cubic' } },
    'cubic without the outside': { args: [x(1, 1, 5, 7), undefined, floats(1, 1, 2, 2)], attrs: { mode: 'cubic', exclude_outside: 1 } },
    crops: {
      args: [x(1, 1, 4, 4), floats(0, 0, 0.4, -0.2, 1, 1, 1.2, 0.7), undefined, ints(1, 1, 3, 3)],
      attrs: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 10 },
    },
  },
  MatMul: {
    'of vectors': { args: [x(6), y(6, 2)], kernel: PRODUCT }, 'by a vector': { args: [x(3, 6), y(6)], kernel: PRODUCT },
    'of nothing': { args: [x(2, 0), y(0, 3)] }, 'of no depth': { args: [x(2, 3, 0), y(2, 0, 4)], kernel: PRODUCT },
    'one by one': { args: [x(3, 70, 20), y(3, 20, 68)], kernel: PRODUCT },
    'one matrix for all': { args: [x(2, 3, 9, 8), y(8, 70)], kernel: PRODUCT },
    'all by one on the left': { args: [x(9, 33), y(4, 33, 70)], kernel: PRODUCT },
    'small ones': { args: [x(3, 20, 30), y(3, 30, 20)], kernel: /multiply/ },
    'some for some': { args: [x(2, 1, 5, 6), y(1, 3, 6, 7)], kernel: /multiply/ },
  },
  Gemm: {
    'alpha and a bias': { args: [x(5, 7), y(7, 9), w(9)], attrs: { alpha: 0.5 }, kernel: /multiply/ },
    'alpha of a transposed matrix': { args: [x(7, 5), y(9, 7)], attrs: { alpha: 0.5, transA: 1, transB: 1 }, kernel: /multiply/ },
    'a transposed matrix': { args: [x(33, 40), y(33, 70), w(70)], attrs: { transA: 1 }, kernel: PRODUCT },
    'both transposed': { args: [x(33, 40), y(70, 33)], attrs: { transA: 1, transB: 1 }, kernel: PRODUCT },
    'a sum of equal shape': { args: [x(40, 33), y(33, 70), x(40, 70)], kernel: PRODUCT },
    'a transposed matrix and a sum of equal shape': { args: [x(33, 5), y(33, 6), x(5, 6)], attrs: { transA: 1 }, kernel: PRODUCT },
    'a computed bias': { args: [x(5, 7), y(7, 9), x(5, 1)] },
  },
  Max: { 'of five': { args: [x(2, 3), y(3), w(2, 1), x(2, 3), y(2, 3)] } },
  Add: { 'six axes': { args: [x(2, 1, 2, 1, 2, 1), y(1, 2, 1, 2, 1, 2)] } },
  Conv: { 'of groups of a few': { args: [x(1, 6, 5, 5), w(4, 3, 3, 3), w(4)], attrs: { group: 2, strides: [2, 2] } } },
};

if (device) {
  for (const [op, each] of Object.entries(cases)) {
    for (const [name, { args, attrs = {}, tolerance, kernel: expected = /^(?!host)/ }] of Object.entries(each)) {
      test(`${op} ${name}`, async () => {
        const fed = oneNode(op, attrs, args), { outputs, layers } = await runOnce(fed, options);
        for (const [output, tensor] of Object.entries(oracle(fed))) near(outputs[output], tensor, output, tolerance);
        for (const { kernel } of layers) assert.match(kernel, expected);
      });
    }
  }

  test('reductions, softmax and normalizations by subgroups, where the device was made with them', async () => {
    const able = await deviceWith('subgroups');
    const own: SessionOptions = { executionProviders: ['webgpu'], webgpu: { device: able } };
    if (!able.features.has('subgroups')) console.warn('SKIPPED: operators by subgroups: this adapter has none');
    for (const [op, each] of Object.entries(cases).filter(([op]) => /^Reduce|^Global|Softmax|Normalization$/.test(op))) {
      for (const [name, { args, attrs = {}, tolerance }] of Object.entries(each)) {
        const fed = oneNode(op, attrs, args), { outputs, layers } = await runOnce(fed, own);
        for (const [output, tensor] of Object.entries(oracle(fed))) near(outputs[output], tensor, `${op} ${name} ${output}`, tolerance);
        const kernels = layers.map(({ kernel }) => kernel);
        const joins = kernels.some((kernel) => /_group|normalize_rows/.test(kernel)) && able.features.has('subgroups');
        assert.is(kernels.some((kernel) => kernel.endsWith('_subgroups')), joins, `${op} ${name}: ${kernels}`);
      }
    }
    able.destroy();
  });

  const unusual = new Tensor('float32', [NaN, 1, NaN]);
  for (const op of Object.keys(lowerings).filter((name) => !inWasm[name] && cases[name]?.plain?.args.length === 1 && name !== 'LRN')) {
    test(`${op} leaves NaN as it is`, async () => {
      const { outputs: { y0 } } = await runOnce(oneNode(op, cases[op].plain.attrs ?? {}, [unusual]), options);
      assert.equal(Array.from(y0.data as Float32Array, Number.isNaN).filter(Boolean).length >= 2, true, String(y0.data));
    });
  }

  test('indices out of range are an error, as on the host', async () => {
    let message = '';
    try { await runOnce(oneNode('Gather', {}, [x(3), ints(3)]), options); } catch (error) { message = String(error); }
    assert.match(message, /indices in \[-3, 3\)/);
  });

  test('every lowering is tested here or on every device', () => {
    assert.equal(Object.keys(lowerings).filter((op) => !cases[op] && !inWasm[op]), []);
  });
}

test('values that meet have buffers of their own, and those that do not share', () => {
  const value = (name: string, bytes: number, first: number, last: number) => ({ name, bytes, first, last });
  const { sizes, buffers } = shareBuffers([value('a', 100, -1, 1), value('b', 40, 1, 2), value('c', 60, 2, 3), value('d', 200, 3, 3)]);
  assert.is.not(buffers.get('a'), buffers.get('b'));
  assert.is.not(buffers.get('b'), buffers.get('c'));
  assert.is.not(buffers.get('c'), buffers.get('d'));
  assert.is(sizes.length, 2);
  assert.is(buffers.get('c'), buffers.get('a'));
  assert.equal(sizes, [100, 200]);
});

test.run();
