import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { ops, opOf } from '../../src/graph/ops/index.ts';
import { erf } from '../../src/graph/ops/unary.ts';
import type { Op } from '../../src/graph/ops/op.ts';
import { numbersOf, stridesOf, Tensor, type DType, type Shape } from '../../src/tensor.ts';
import { callOf, filled, run, same } from './call.ts';

const f32 = (values: number[], dims?: Shape) => new Tensor('float32', values, dims);
const int = (values: number[], type: DType = 'int64', dims?: Shape) => new Tensor(type, values, dims);
const scalar = (value: number) => new Tensor('float32', [value], []);
const list = (x: Tensor) => Array.from(numbersOf(x));
const count = (dims: Shape) => f32(Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i), dims);

test('an unknown operator is named with what is supported', () => {
  const node = { name: 'n7', op: 'Einsum', inputs: ['a'], outputs: ['b'], attrs: {} };
  assert.throws(() => opOf(node), /node 'n7' \(Einsum\): needs an operator among .*Conv, .*got 'Einsum'/);
  assert.throws(() => opOf({ ...node, op: 'toString' }), /needs an operator among/);
  assert.throws(() => opOf({ ...node, op: 'Conv' }), /needs 2 to 4 inputs, got 1/);
});

const partner = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }).chain((shape) => fc.record({
  shape: fc.constant(shape),
  ones: fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
  drop: fc.integer({ min: 0, max: shape.length }),
}));

test('broadcasting agrees with indexing place by place', () => {
  fc.assert(fc.property(partner, ({ shape, ones, drop }) => {
    const small = shape.map((n, d) => (ones[d] ? 1 : n)).slice(drop);
    const [a, b] = [filled(shape, 1), filled(small, 2)];
    const [strides, own] = [stridesOf(shape), stridesOf(small)];
    const at = (i: number) => small.reduce((sum, n, d) => sum + (n === 1 ? 0 : (Math.floor(i / strides[d + drop]) % n) * own[d]), 0);
    same(run(callOf('Sub', {}, a, b))[0], Array.from(a.data, (v, i) => v - b.data[at(i)]), shape);
    same(run(callOf('Sub', {}, b, a))[0], Array.from(a.data, (v, i) => b.data[at(i)] - v), shape);
  }), { numRuns: 100 });
  assert.throws(() => run(callOf('Add', {}, count([2, 3]), count([2]))), /shapes that broadcast/);
});

test('whole numbers divide towards zero, saturate and keep their type', () => {
  const [a, b] = [int([7, -7, 7, -7]), int([2, 2, -2, -2])];
  assert.equal(run(callOf('Div', {}, a, b))[0].data, BigInt64Array.of(3n, -3n, -3n, 3n));
  assert.equal(run(callOf('Mod', {}, a, b))[0].data, BigInt64Array.of(1n, 1n, -1n, -1n));
  assert.equal(run(callOf('Mod', { fmod: 1 }, a, b))[0].data, BigInt64Array.of(1n, -1n, 1n, -1n));
  const huge = new Tensor('int64', BigInt64Array.of(2n ** 63n - 1n), [1]);
  assert.ok(run(callOf('Mul', {}, huge, int([2])))[0].data[0] > 2n ** 62n);
  assert.is(run(callOf('Concat', { axis: 0 }, huge))[0].data[0], 2n ** 63n - 1n);
  assert.throws(() => run(callOf('Add', {}, a, f32([1]))), /operands of one type/);
});

test('comparison, logic, choice', () => {
  const question = run(callOf('LessOrEqual', {}, f32([1, 2, 3]), f32([2])))[0];
  assert.is(question.type, 'bool');
  same(question, [1, 1, 0]);
  same(run(callOf('Not', {}, question))[0], [0, 0, 1]);
  same(run(callOf('Xor', {}, question, int([1], 'bool')))[0], [0, 0, 1]);
  same(run(callOf('Where', {}, question, f32([9]), f32([1, 2, 3])))[0], [9, 9, 3]);
  same(run(callOf('PRelu', {}, f32([-1, 2, -3, 4], [2, 2]), f32([0.5, 2], [2, 1])))[0], [-0.5, 2, -6, 4]);
  same(run(callOf('Mean', {}, f32([1, 2]), f32([3]), f32([5, 7])))[0], [3, 4]);
  same(run(callOf('Add', { min: 0, max: 6 }, f32([-5, 2, 5]), f32([1, 1, 2])))[0], [0, 3, 6]);
});

test('scalar functions at known points', () => {
  const at = (op: string, x: number, attrs = {}) => Number(run(callOf(op, attrs, new Tensor('float64', [x])))[0].data[0]);
  const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-9, `${got} is not ${want}`);
  near(erf(0.5), 0.5204998778130465); // tables: Abramowitz & Stegun 7.1
  near(erf(-2), -0.9953222650189527);
  near(erf(3.5), 0.9999992569016276);
  assert.is(erf(9), 1);
  near(at('Gelu', 1), 0.8413447460685429);
  near(at('Gelu', 1, { approximate: 'tanh' }), 0.8411919906082768);
  near(at('HardSwish', -1), -1 / 3);
  near(at('HardSigmoid', 1), 0.7);
  near(at('Softplus', 800), 800);
  near(at('Sigmoid', -800), 0);
  near(at('Mish', 1), 0.8650983882673103);
  near(at('Selu', -1), 1.05070102214813232421875 * 1.67326319217681884765625 * (Math.exp(-1) - 1));
  assert.equal([-2.5, -1.5, 0.5, 1.5, 2.5, 2.6].map((x) => at('Round', x)), [-2, -2, 0, 2, 2, 3]);
  same(run(callOf('Clip', {}, f32([-9, 0, 9]), undefined, scalar(3)))[0], [-9, 0, 3]);
});

test('Cast truncates, answers bool, takes ONNX numbers', () => {
  const cast = (to: number, ...values: number[]) => run(callOf('Cast', { to }, f32(values)))[0];
  assert.equal(cast(7, 1.9, -1.9, NaN).data, BigInt64Array.of(1n, -1n, 0n));
  assert.equal(cast(9, 0, 0.5).data, Uint8Array.of(0, 1));
  assert.is(cast(10, 1).type, 'float32');
  assert.throws(() => cast(8, 1), /attribute to/);
});

test('Gemm, MatMul and Linear agree on one product, and work counts it', () => {
  const [a, b] = [filled([2, 3], 1), filled([3, 4], 2)];
  const bT = run(callOf('Transpose', {}, b))[0];
  const aT = run(callOf('Transpose', {}, a))[0];
  const entry = (r: number, c: number) => [0, 1, 2].reduce((sum, k) => sum + a.data[r * 3 + k] * b.data[k * 4 + c], 0);
  const want = Array.from({ length: 8 }, (_, i) => entry(Math.floor(i / 4), i % 4));
  same(run(callOf('MatMul', {}, a, b))[0], want, [2, 4]);
  same(run(callOf('Linear', {}, a, bT))[0], want, [2, 4]);
  same(run(callOf('Gemm', { transA: 1, transB: 1 }, aT, bT))[0], want, [2, 4]);
  const column = f32([1, -1], [2, 1]);
  same(run(callOf('Gemm', { alpha: 2, beta: 3 }, a, b, column))[0], want.map((v, i) => 2 * v + (i < 4 ? 3 : -3)), [2, 4]);
  const call = callOf('Gemm', {}, a, b, column);
  assert.equal(opOf(call.node).work!(call), { macs: 24, inBounds: 24, ptflops: 32 });
  assert.throws(() => run(callOf('MatMul', {}, a, bT)), /equal inner dimensions/);
});

test('MatMul broadcasts leading dimensions and takes vectors', () => {
  const [a, b] = [filled([2, 1, 2, 3], 1), filled([4, 3, 2], 2)];
  const all = run(callOf('MatMul', {}, a, b))[0];
  assert.equal(all.dims, [2, 4, 2, 2]);
  const part = (x: Tensor, size: number, i: number, dims: Shape) => f32(Array.from(x.data, Number).slice(i * size, (i + 1) * size), dims);
  same(part(all, 4, 6, [2, 2]), Array.from(run(callOf('MatMul', {}, part(a, 6, 1, [2, 3]), part(b, 6, 2, [3, 2])))[0].data, Number));
  same(run(callOf('MatMul', {}, f32([1, 2, 3]), f32([4, 5, 6])))[0], [32], []);
});

test('normalisations by hand', () => {
  const x = f32([1, 3, 2, 6], [1, 2, 2]);
  const [ones, zeros] = [f32([1, 1]), f32([0, 0])];
  same(run(callOf('BatchNormalization', { epsilon: 0 }, x, f32([2, 1]), f32([1, 0]), f32([1, 2]), f32([4, 16])))[0], [1, 3, 0, 1]);
  same(run(callOf('InstanceNormalization', { epsilon: 0 }, x, f32([1, 2]), f32([0, 5])))[0], [-1, 1, 3, 7]);
  same(run(callOf('LayerNormalization', { epsilon: 0 }, x, ones, zeros))[0], [-1, 1, -1, 1]);
  // Size 2 sums over c and c + 1: 1 + 1 + 4, 1 + 4 + 9, 1 + 9.
  same(run(callOf('LRN', { size: 2, alpha: 2, beta: 1 }, f32([1, 2, 3], [1, 3, 1])))[0], [1 / 6, 2 / 14, 3 / 10]);
  same(run(callOf('Softmax', {}, f32([1000, 1000, -Infinity, 0], [2, 2])))[0], [0.5, 0.5, 0, 1]);
  same(run(callOf('LogSoftmax', { axis: 0 }, f32([0, 0], [2, 1])))[0], [-Math.LN2, -Math.LN2]);
});

test('reductions along some axes, all axes, and none', () => {
  const x = count([2, 3, 2]);
  same(run(callOf('ReduceSum', { keepdims: 0 }, x, int([0, -1])))[0], [14, 22, 30], [3]);
  same(run(callOf('ReduceMean', {}, x))[0], [5.5], [1, 1, 1]);
  same(run(callOf('ReduceMax', { noop_with_empty_axes: 1 }, x))[0], list(x), [2, 3, 2]);
  same(run(callOf('ReduceL2', {}, f32([3, 4]), int([0])))[0], [5]);
  same(run(callOf('ReduceProd', { keepdims: 0 }, int([2, 3, 4])))[0], [24], []);
  same(run(callOf('ArgMax', { axis: 1, keepdims: 0 }, f32([1, 5, 5, 0, 9, 2], [2, 3])))[0], [1, 1], [2]);
  same(run(callOf('ArgMax', { axis: 1, select_last_index: 1 }, f32([1, 5, 5, 0, 9, 2], [2, 3])))[0], [2, 1], [2, 1]);
});

test('shapes: reshape, flatten, squeeze, unsqueeze', () => {
  const dims = (op: string, attrs: Record<string, number>, x: Tensor, ...rest: Tensor[]) => run(callOf(op, attrs, x, ...rest))[0].dims;
  assert.equal(dims('Reshape', {}, count([2, 3, 4]), int([0, -1])), [2, 12]);
  assert.equal(dims('Reshape', { allowzero: 1 }, count([0, 3]), int([3, 0])), [3, 0]);
  assert.equal(dims('Flatten', { axis: -1 }, count([2, 3, 4])), [6, 4]);
  assert.equal(dims('Flatten', { axis: 3 }, count([2, 3, 4])), [24, 1]);
  assert.equal(dims('Squeeze', {}, count([1, 3, 1])), [3]);
  assert.equal(dims('Unsqueeze', {}, count([3]), int([0, -1])), [1, 3, 1]);
  assert.throws(() => dims('Reshape', {}, count([2, 3]), int([4, -1])), /a shape of 6 elements, got \[4,-1\]/);
  assert.throws(() => dims('Squeeze', {}, count([2, 3]), int([0])), /length 1 along axis 0/);
});

test('Transpose there and back, DepthToSpace against SpaceToDepth', () => {
  const x = count([2, 3, 4]);
  const there = run(callOf('Transpose', { perm: [2, 0, 1] }, x))[0];
  assert.equal(there.dims, [4, 2, 3]);
  assert.is(there.data[1], 4);
  same(run(callOf('Transpose', { perm: [1, 2, 0] }, there))[0], list(x), x.dims);
  const deep = count([1, 8, 2, 3]);
  same(run(callOf('SpaceToDepth', { blocksize: 2 }, run(callOf('DepthToSpace', { blocksize: 2 }, deep))[0]))[0], list(deep), deep.dims);
  same(run(callOf('DepthToSpace', { blocksize: 2, mode: 'CRD' }, count([1, 4, 1, 2])))[0], [0, 2, 1, 3, 4, 6, 5, 7], [1, 1, 2, 4]);
});

test('Slice clamps, counts from the end and steps backwards', () => {
  const slice = (starts: number[], ends: number[], steps: number[]) =>
    list(run(callOf('Slice', {}, count([6]), int(starts), int(ends), int([0]), int(steps)))[0]);
  assert.equal(slice([1], [2 ** 62], [2]), [1, 3, 5]);
  assert.equal(slice([-2], [100], [1]), [4, 5]);
  assert.equal(slice([10], [-100], [-2]), [5, 3, 1]);
  assert.equal(slice([4], [1], [-1]), [4, 3, 2]);
  assert.equal(slice([4], [1], [1]), []);
});

test('Pad in every mode, cropping with negative pads', () => {
  const pad = (mode: string, pads: number[]) => list(run(callOf('Pad', { mode }, count([4]), int(pads), scalar(9)))[0]);
  assert.equal(pad('constant', [1, 2]), [9, 0, 1, 2, 3, 9, 9]);
  assert.equal(pad('edge', [2, 1]), [0, 0, 0, 1, 2, 3, 3]);
  assert.equal(pad('reflect', [2, 4]), [2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
  assert.equal(pad('wrap', [1, 1]), [3, 0, 1, 2, 3, 0]);
  assert.equal(pad('constant', [-1, 1]), [1, 2, 3, 9]);
  same(run(callOf('Pad', {}, count([2, 2]), int([1, 0]), undefined, int([-1])))[0], [0, 0, 1, 0, 2, 3], [2, 3]);
});

test('Gather, Concat, Split, Tile, Expand', () => {
  const x = count([2, 3]);
  same(run(callOf('Gather', { axis: 1 }, x, int([-1, 0, 0, 1], 'int64', [2, 2])))[0], [2, 0, 0, 1, 5, 3, 3, 4], [2, 2, 2]);
  assert.throws(() => run(callOf('Gather', {}, x, int([2]))), /indices in \[-2, 2\)/);
  same(run(callOf('Concat', { axis: -1 }, x, count([2, 1])))[0], [0, 1, 2, 0, 3, 4, 5, 1], [2, 4]);
  const call = callOf('Split', { axis: 1, num_outputs: 2 }, x);
  const parts = run({ ...call, node: { ...call.node, outputs: ['a', 'b'] } });
  same(parts[0], [0, 1, 3, 4], [2, 2]);
  same(parts[1], [2, 5], [2, 1]);
  same(run(callOf('Tile', {}, count([1, 2]), int([2, 2])))[0], [0, 1, 0, 1, 0, 1, 0, 1], [2, 4]);
  same(run(callOf('Expand', {}, count([2, 1]), int([3, 1, 2])))[0], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1], [3, 2, 2]);
});

test('operators about shapes', () => {
  same(run(callOf('Shape', { start: -2 }, count([2, 3, 4])))[0], [3, 4]);
  same(run(callOf('Size', {}, count([2, 3])))[0], [6], []);
  same(run(callOf('ConstantOfShape', { value: int([5]) }, int([2, 2])))[0], [5, 5, 5, 5], [2, 2]);
  same(run(callOf('Range', {}, scalar(1), scalar(2), scalar(0.4)))[0], [1, 1.4, 1.8]);
  assert.throws(() => run(callOf('ConstantOfShape', {}, int([1e6, 1e6]))), /at most 2\^32 elements/);
});

test('Resize: coordinates of every mode on one row', () => {
  const row = f32([0, 10, 20, 30], [1, 1, 1, 4]);
  const resize = (mode: string, coordinate_transformation_mode: string, scale: number, attrs = {}) => {
    const call = callOf('Resize', { mode, coordinate_transformation_mode, ...attrs }, row, undefined, f32([1, 1, 1, scale]));
    return list(run(call)[0]).map((v) => Math.round(v * 1e3) / 1e3);
  };
  assert.equal(resize('linear', 'half_pixel', 2), [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30]);
  assert.equal(resize('linear', 'asymmetric', 2), [0, 5, 10, 15, 20, 25, 30, 30]);
  assert.equal(resize('linear', 'align_corners', 1.75), [0, 5, 10, 15, 20, 25, 30]);
  assert.equal(resize('linear', 'pytorch_half_pixel', 0.25), [0]);
  assert.equal(resize('nearest', 'asymmetric', 2, { nearest_mode: 'floor' }), [0, 0, 10, 10, 20, 20, 30, 30]);
  assert.equal(resize('nearest', 'half_pixel', 2), [0, 0, 10, 10, 20, 20, 30, 30]);
  assert.equal(resize('nearest', 'asymmetric', 0.5, { nearest_mode: 'ceil' }), [0, 20]);
  assert.equal(resize('nearest', 'tf_half_pixel_for_nn', 2, { nearest_mode: 'floor' }), [0, 0, 10, 10, 20, 20, 30, 30]);
  assert.equal(resize('linear', 'half_pixel_symmetric', 0.6), [6.667, 23.333]); // 2 places instead of 2.4, centred
  assert.equal(resize('cubic', 'align_corners', 1.75), [0, 4.063, 10, 15, 20, 25.938, 30]);
  assert.throws(() => resize('linear', 'half_pixel', 2, { antialias: 1 }), /antialias = 0/);
});

test('Resize: sizes, axes, keep_aspect_ratio_policy, region of interest', () => {
  const x = count([1, 1, 4, 8]);
  const dims = (attrs: Record<string, string | readonly number[]>, sizes: number[]) =>
    run(callOf('Resize', attrs, x, undefined, undefined, int(sizes)))[0].dims;
  assert.equal(dims({}, [1, 1, 3, 5]), [1, 1, 3, 5]);
  assert.equal(dims({ axes: [3, 2] }, [5, 3]), [1, 1, 3, 5]);
  assert.equal(dims({ axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }, [8, 8]), [1, 1, 4, 8]);
  assert.equal(dims({ axes: [2, 3], keep_aspect_ratio_policy: 'not_smaller' }, [8, 8]), [1, 1, 8, 16]);
  const crop = { coordinate_transformation_mode: 'tf_crop_and_resize', mode: 'linear', axes: [3], extrapolation_value: -1 };
  same(run(callOf('Resize', crop, count([1, 1, 1, 5]), f32([0.5, 1.25]), undefined, int([4])))[0], [2, 3, 4, -1], [1, 1, 1, 4]);
});

test('no operator goes on without a required input', () => {
  for (const [name, op] of Object.entries<Op>(ops)) {
    const nothing = callOf(name, {}, ...new Array<undefined>(op.inputs[0]));
    assert.throws(() => opOf(nothing.node), /needs input 0, got nothing/, name);
  }
});

test.run();
