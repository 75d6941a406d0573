import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { opOf } from '../../src/graph/ops/index.ts';
import { convGeometry, convTransposeGeometry, poolGeometry } from '../../src/graph/ops/window.ts';
import { Tensor } from '../../src/tensor.ts';
import { callOf, filled, run, same } from './call.ts';

/** Conv straight from its definition, one output at a time: an independent check of the hoisted loops. */
function convByDefinition(x: Tensor, w: Tensor, g: ReturnType<typeof convGeometry>, o: number, r: number, c: number): number {
  const inGroup = g.inputs / g.group;
  const first = Math.floor(o / (g.filters / g.group)) * inGroup;
  let sum = 0;
  for (let i = 0; i < inGroup; i++) for (let kh = 0; kh < g.kernel[0]; kh++) for (let kw = 0; kw < g.kernel[1]; kw++) {
    const y = r * g.strides[0] - g.pads[0] + kh * g.dilations[0];
    const z = c * g.strides[1] - g.pads[1] + kw * g.dilations[1];
    if (y < 0 || z < 0 || y >= g.in[0] || z >= g.in[1]) continue;
    const weight = w.data[((o * inGroup + i) * g.kernel[0] + kh) * g.kernel[1] + kw];
    sum += Number(x.data[((first + i) * g.in[0] + y) * g.in[1] + z]) * Number(weight);
  }
  return sum;
}

const geometry = fc.record({
  group: fc.constantFrom(1, 2), inGroup: fc.integer({ min: 1, max: 2 }), outGroup: fc.integer({ min: 1, max: 2 }),
  image: fc.tuple(fc.integer({ min: 5, max: 8 }), fc.integer({ min: 5, max: 8 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
});

test('Conv agrees with its definition at every position, and inBounds counts exactly the taps used', () => {
  fc.assert(fc.property(geometry, ({ group, inGroup, outGroup, image, kernel, strides, dilations, pads }) => {
    const x = filled([1, group * inGroup, ...image], 1);
    const w = filled([group * outGroup, inGroup, ...kernel], 2);
    const call = callOf('Conv', { group, strides, dilations, pads }, x, w);
    const g = convGeometry(call);
    const got = run(call)[0];
    got.data.forEach((value: number | bigint, place: number) => {
      const [o, r, c] = [Math.floor(place / (g.out[0] * g.out[1])), Math.floor(place / g.out[1]) % g.out[0], place % g.out[1]];
      assert.ok(Math.abs(Number(value) - convByDefinition(x, w, g, o, r, c)) < 1e-5);
    });
    const ones = ({ data, dims }: Tensor) => new Tensor('float32', new Float32Array(data.length).fill(1), dims);
    const counted = run(callOf('Conv', { group, strides, dilations, pads }, ones(x), ones(w)));
    const taps = Array.from(counted[0].data, Number).reduce((a, b) => a + b, 0);
    assert.is(opOf(call.node).work!(call).inBounds, taps);
  }), { numRuns: 60 });
});

test('ConvTranspose is the adjoint of Conv: <conv(x), y> = <x, convᵀ(y)>', () => {
  fc.assert(fc.property(geometry, ({ group, inGroup, outGroup, image, kernel, strides, dilations, pads }) => {
    const x = filled([1, group * inGroup, ...image], 3);
    const w = filled([group * outGroup, inGroup, ...kernel], 4);
    const attrs = { group, strides, dilations, pads };
    const forward = run(callOf('Conv', attrs, x, w))[0];
    const y = filled(forward.dims, 5);
    const g = convGeometry(callOf('Conv', attrs, x, w));
    // What the strides of the convolution skip at the far edge has to be given back as output padding.
    const lost = [0, 1].map((d) => (image[d] + pads[d] + pads[d + 2] - (kernel[d] - 1) * dilations[d] - 1) % strides[d]);
    const back = run(callOf('ConvTranspose', { ...attrs, output_padding: lost }, y, w))[0];
    assert.equal(back.dims, x.dims);
    const dot = (a: Tensor, b: Tensor) => Array.from(a.data, Number).reduce((sum, v, i) => sum + v * Number(b.data[i]), 0);
    assert.ok(Math.abs(dot(forward, y) - dot(x, back)) < 1e-4);
    assert.is(g.out[0] * g.out[1] * g.filters, forward.size);
    const [a, b] = [callOf('Conv', attrs, x, w), callOf('ConvTranspose', { ...attrs, output_padding: lost }, y, w)];
    assert.is(opOf(a.node).work!(a).inBounds, opOf(b.node).work!(b).inBounds);
  }), { numRuns: 60 });
});

test('work of a 3x3 convolution with padding 1 on 4x4, by hand', () => {
  // 2 -> 5 channels: 16 positions x 10 kernels x 9 taps; along one axis 3 + 4 + 3 of 12 taps lie on the image.
  const call = callOf('Conv', { pads: [1, 1, 1, 1] }, filled([1, 2, 4, 4], 0), filled([5, 2, 3, 3], 1), filled([5], 2));
  assert.equal(opOf(call.node).work!(call), { macs: 1440, inBounds: 10 * 100, ptflops: 1440 + 5 * 16 });
});

test('work of a transposed convolution counts the input positions', () => {
  const call = callOf('ConvTranspose', { strides: [2, 2], group: 2 }, filled([1, 4, 3, 3], 0), filled([4, 3, 2, 2], 1), filled([6], 2));
  assert.equal(opOf(call.node).work!(call), { macs: 9 * 4 * 3 * 4, inBounds: 9 * 4 * 3 * 4, ptflops: 9 * 4 * 3 * 4 + 6 * 36 });
});

test('SAME puts the odd padding behind for UPPER and in front for LOWER; VALID ignores pads', () => {
  const pads = (auto_pad: string) => {
    const attrs = { auto_pad, strides: [2, 2], pads: [9, 9, 9, 9] };
    const g = convGeometry(callOf('Conv', attrs, filled([1, 1, 6, 7], 0), filled([1, 1, 3, 3], 0)));
    return { pads: g.pads, out: g.out };
  };
  assert.equal(pads('SAME_UPPER'), { pads: [0, 1, 1, 1], out: [3, 4] });
  assert.equal(pads('SAME_LOWER'), { pads: [1, 1, 0, 1], out: [3, 4] });
  assert.equal(pads('VALID'), { pads: [0, 0, 0, 0], out: [2, 3] });
});

test('a one-dimensional convolution is one over an image of height 1', () => {
  const x = filled([2, 3, 9], 1);
  const w = filled([4, 3, 3], 2);
  const flat = run(callOf('Conv', { strides: [2], pads: [1, 0], dilations: [2] }, x, w))[0];
  const [plane, window] = [new Tensor('float32', x.data, [2, 3, 1, 9]), new Tensor('float32', w.data, [4, 3, 1, 3])];
  const square = run(callOf('Conv', { strides: [1, 2], pads: [0, 1, 0, 0], dilations: [1, 2] }, plane, window))[0];
  assert.equal(flat.dims, [2, 4, 3]);
  assert.equal([...flat.data], [...square.data]);
});

test('residual and clamp come after the bias, in that order', () => {
  const x = new Tensor('float32', [1, 2, 3, 4], [1, 1, 2, 2]);
  const w = new Tensor('float32', [2], [1, 1, 1, 1]);
  const bias = new Tensor('float32', [-3], [1]);
  const residual = new Tensor('float32', [0.5, 0.5, 0.5, 9], [1, 1, 2, 2]);
  same(run(callOf('Conv', { min: 0, max: 6 }, x, w, bias, residual))[0], [0, 1.5, 3.5, 6]);
  same(run(callOf('Conv', { min: 0 }, x, w, undefined, residual))[0], [2.5, 4.5, 6.5, 17]);
  assert.throws(() => run(callOf('Conv', {}, x, w, bias, filled([1, 1, 1, 2], 0))), /a residual of \[1,1,2,2\]/);
  const rows = new Tensor('float32', [1, 1, 2, -5], [2, 2]);
  const [weight, added] = [new Tensor('float32', [1, 2, 3, 4], [2, 2]), new Tensor('float32', [0, 1, 0, 0], [2, 2])];
  same(run(callOf('Linear', { min: 0, max: 6 }, rows, weight, new Tensor('float32', [1, 0]), added))[0], [4, 6, 0, 0]);
});

test('output_shape and SAME of ConvTranspose fix the length and the pads follow', () => {
  const x = filled([1, 1, 3, 3], 0);
  const of = (attrs: Record<string, string | readonly number[]>) => convTransposeGeometry(callOf('ConvTranspose', attrs, x, x));
  assert.equal(of({ strides: [2, 2] }).out, [7, 7]);
  assert.equal(of({ strides: [2, 2], output_shape: [6, 6] }).pads, [1, 1, 0, 0]);
  assert.equal(of({ strides: [2, 2], auto_pad: 'SAME_UPPER' }).pads, [0, 0, 1, 1]);
  assert.equal(of({ strides: [2, 2], auto_pad: 'SAME_UPPER' }).out, [6, 6]);
});

test('a last window that would start on padding is dropped', () => {
  const out = (size: number, ceil_mode: number, pads: number[]) => {
    const attrs = { kernel_shape: [2, 2], strides: [3, 3], pads, ceil_mode };
    return poolGeometry(callOf('MaxPool', attrs, filled([1, 1, size, size], 0))).out;
  };
  assert.equal(out(4, 0, [1, 1, 1, 1]), [2, 2]);
  assert.equal(out(5, 1, [1, 1, 1, 1]), [2, 2]); // 3 windows start at -1, 2, 5: the third on padding
  assert.equal(out(6, 1, [1, 1, 1, 1]), [3, 3]); // starts at 5, inside
});

test('average pooling divides by the taps on the image, or with count_include_pad by those on image and pads', () => {
  const x = new Tensor('float32', [1, 2, 3, 4], [1, 1, 4]);
  const attrs = { kernel_shape: [3], strides: [2], pads: [1, 1], ceil_mode: 1 };
  same(run(callOf('AveragePool', attrs, x))[0], [1.5, 3, 4]);
  // The third window reaches one beyond the pad: only two of its taps exist.
  same(run(callOf('AveragePool', { ...attrs, count_include_pad: 1 }, x))[0], [1, 3, 2]);
});

test('max pooling: negative values beside padding, places of the maxima, NaN', () => {
  const x = new Tensor('float32', [-4, -3, -2, -1, -8, -9, NaN, -7, -6], [1, 1, 3, 3]);
  const call = callOf('MaxPool', { kernel_shape: [2, 2], pads: [1, 1, 0, 0] }, x);
  const [values, places] = run({ ...call, node: { ...call.node, outputs: ['y', 'i'] } });
  assert.equal([...values.data], [-4, -3, -2, -1, -1, -2, NaN, NaN, -6]);
  assert.equal(Array.from(places.data, Number).slice(0, 6), [0, 1, 2, 3, 3, 2]);
});

test('three spatial axes, wrong channels and wrong kernel_shape are named', () => {
  assert.throws(() => run(callOf('Conv', {}, filled([1, 1, 2, 2, 2], 0), filled([1, 1, 1, 1, 1], 0))), /rank 5/);
  assert.throws(() => run(callOf('Conv', {}, filled([1, 3, 4, 4], 0), filled([8, 4, 3, 3], 0))), /needs 4 input channels.*got 3 channels/);
  const lying = callOf('Conv', { kernel_shape: [3, 3] }, filled([1, 1, 4, 4], 0), filled([1, 1, 2, 2], 0));
  assert.throws(() => run(lying), /kernel_shape \[2,2\]/);
  assert.throws(() => run(callOf('Conv', {}, filled([1, 1, 2, 2], 0), filled([1, 1, 3, 3], 0))), /as large as the window/);
});

test.run();
