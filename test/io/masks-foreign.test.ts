import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prunableLayers, readWeight } from '../../src/graph/layers.ts';
import { readMasks, readMasksFor } from '../../src/io/masks/index.ts';
import { writeNpz } from '../../src/io/npz.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { applyMasks } from '../../src/prune/index.ts';
import { sizeOf, Tensor, type Shape } from '../../src/tensor.ts';
import { sketch } from '../prune/networks.ts';
import { refusal, shown } from './masks.ts';
import { compressed, tfmot } from './npz-files.ts';
import { torch } from './safetensors-files.ts';

const float = (values: number[], dims: Shape): Tensor => new Tensor('float32', values, dims);

test('PyTorch: weight_orig and weight_mask, biases too; what is no mask is skipped', async () => {
  const file = writeSafetensors(new Map<string, Tensor>([
    ['module.fc.weight_orig', float([1, 2, 3, 4, 5, 6], [2, 3])], ['module.fc.weight_mask', float([1, 0, 0, 1, 1, 0], [2, 3])],
    ['module.fc.bias_orig', float([7, 8], [2])], ['module.fc.bias_mask', float([0, 1], [2])],
    ['module.bn.weight', float([1, 0], [2])], ['module.attn_mask', float([0, -100], [2])],
  ]));
  const found = await readMasks(file);
  assert.is(found.kind, 'torch');
  assert.equal(shown(found.masks), [['module.fc.weight', [2, 3], '100110'], ['module.fc.bias', [2], '01']]);
  assert.equal(Array.from(found.weights, ([one, { data }]) => [one, [...data]]),
    [['module.fc.weight', [1, 0, 0, 4, 5, 0]], ['module.fc.bias', [0, 8]]]);
  assert.equal([...found.skipped].sort(), ['module.attn_mask', 'module.bn.weight']);
  // MatMul stores [I, O]: the mask is turned.
  const graph = sketch({ fc: { op: 'MatMul', dims: [3, 2], values: [1, 1, 1, 1, 1, 1] } });
  const { masks, unmatched } = await readMasksFor(graph, file);
  assert.equal([shown(masks), unmatched.map((one) => one.mask)], [[['fc.weight', [3, 2], '110100']], ['module.fc.bias']]);
});

test('PyTorch: a file of the reference implementation', async () => {
  const { kind, masks, weights, skipped } = await readMasks(torch);
  assert.equal([kind, shown(masks), skipped], ['torch', [['fc.weight', [2, 2], '1001']], ['fc.bias']]);
  assert.equal([...weights.get('fc.weight')!.data], [1, 0, 0, 4]);
});

test('PyTorch: bool masks beside the masked weight, masks without weights', async () => {
  const bits = new Tensor('bool', [1, 0], [1, 2]);
  const beside = await readMasks(writeSafetensors(new Map([['fc.weight', float([3, 0], [1, 2])], ['fc.weight_mask', bits]])));
  assert.equal([beside.kind, shown(beside.masks)], ['torch', [['fc.weight', [1, 2], '10']]]);
  const alone = await readMasks(writeSafetensors(new Map([['fc.weight_mask', bits]])));
  assert.equal([alone.kind, shown(alone.masks), alone.weights.size], ['torch', [['fc.weight', [1, 2], '10']], 0]);
  const soft = writeSafetensors(new Map([['fc.weight_mask', float([0.5, 0], [1, 2])]]));
  assert.match(await refusal(() => readMasks(soft)), /^file: mask 'fc.weight_mask': needs values of 0 and 1, got 0.5/);
  const misfit = writeSafetensors(new Map([['a.weight_orig', float([1], [1])], ['a.weight_mask', bits]]));
  assert.match(await refusal(() => readMasks(misfit)), /^shape: mask 'a.weight_mask': needs the shape of its weight, \[1\], got \[1, 2\]/);
});

test('TensorFlow Model Optimization: HWIO masks onto OIHW weights', async () => {
  const { kind, masks, weights, skipped } = await readMasks(tfmot);
  assert.equal([kind, shown(masks)], ['tfmot', [['prune_low_magnitude_conv2d/kernel', [2, 2, 1, 3], '010101010101']]]);
  assert.equal([...weights.values()].map(({ data }) => [...data]), [[0, 2, 0, 4, 0, 6, 0, 8, 0, 10, 0, 12]]);
  assert.equal(skipped, ['bias', 'threshold', 'pruning_step'].map((one) => `prune_low_magnitude_conv2d/${one}:0`));
  // Kernel [h, w, 0, o] of the file is 3 (2 h + w) + o + 1.
  const values = Array.from({ length: 12 }, (_, i) => 3 * (i % 4) + Math.floor(i / 4) + 1);
  const graph = sketch({ conv2d: { dims: [3, 1, 2, 2], values } }), matched = await readMasksFor(graph, tfmot);
  const pruned = applyMasks(graph, matched.masks);
  assert.equal([...readWeight(pruned, prunableLayers(pruned)[0])], values.map((value) => (value % 2 === 0 ? value : 0)));
});

test('TensorFlow Model Optimization: other spellings, several kernels, masks alone', async () => {
  const ones = (dims: Shape): Tensor => float(new Array<number>(sizeOf(dims)).fill(1), dims);
  const read = async (arrays: Record<string, Tensor>): Promise<string[]> => {
    const { kind, masks } = await readMasks(writeNpz(new Map(Object.entries(arrays))));
    return [kind, ...masks.keys()];
  };
  assert.equal(await read({ 'dense/kernel:0': ones([2, 3]), 'dense/kernel:0_mask:0': ones([2, 3]) }), ['tfmot', 'dense/kernel']);
  assert.equal(await read({ 'dense/kernel_mask': ones([2, 3]), 'dense/kernel': ones([2, 3]) }), ['tfmot', 'dense/kernel']);
  const alone = { 'a/mask:0': ones([2, 3]), 'a/threshold:0': float([0.5], []), 'a/pruning_step:0': float([7], []) };
  assert.equal(await read(alone), ['tfmot', 'a/kernel']);
  const separable = { 's/depthwise_kernel:0': ones([3, 3, 2, 1]), 's/pointwise_kernel:0': ones([1, 1, 2, 4]) };
  assert.equal(await read({ ...separable, 's/mask_1:0': ones([1, 1, 2, 4]), 's/mask:0': ones([3, 3, 2, 1]) }),
    ['tfmot', 's/pointwise_kernel', 's/depthwise_kernel']);
  const alike = { 'l/kernel:0': ones([2, 2]), 'l/recurrent_kernel:0': ones([2, 2]), 'l/mask:0': ones([2, 2]), 'l/mask_1:0': ones([2, 2]) };
  assert.equal(await read(alike), ['tfmot', 'l/kernel', 'l/recurrent_kernel']);
});

test('masks and pruned weights by name, in safetensors and npz', async () => {
  const bits = new Map<string, Tensor>([['a.weight', new Tensor('bool', [1, 0], [1, 2])], ['b.mask', new Tensor('uint8', [0, 1], [2])],
    ['c.weight', float([0, 1], [2, 1])], ['d', new Tensor('int64', [0, 1], [1, 2])]]);
  const weights = new Map<string, Tensor>([['a.weight', float([0.5, 0], [1, 2])], ['a.bias', float([0], [1])],
    ['step', new Tensor('int64', [3], [])]]);
  for (const [write, sorted] of [[writeNpz, false], [writeSafetensors, true]] as const) {
    const masks = await readMasks(write(bits)), order = (list: unknown[]): unknown[] => (sorted ? [...list].sort() : list);
    assert.is(masks.kind, 'masks');
    assert.equal(order(shown(masks.masks)),
      [['a.weight', [1, 2], '10'], ['b', [2], '01'], ['c.weight', [2, 1], '01'], ['d', [1, 2], '01']]);
    const pruned = await readMasks(write(weights));
    assert.equal([pruned.kind, shown(pruned.masks), [...pruned.weights.keys()], order([...pruned.skipped])],
      ['weights', [['a.weight', [1, 2], '10']], ['a.weight'], ['a.bias', 'step']]);
    assert.match(await refusal(() => readMasks(write(new Map([['a', float([0.5], [1])]])))), /^file: mask file: needs masks, or weights/);
    const twice = new Map([['a', bits.get('d')!], ['a.mask', bits.get('d')!]]);
    assert.match(await refusal(() => readMasks(write(twice))), /one mask a weight/);
  }
  const keras = await readMasks(compressed);
  assert.equal([keras.kind, shown(keras.masks), keras.skipped], ['weights', [['dense/kernel:0', [2, 3], '010101']], ['conv.weight']]);
});

test.run();
