import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { readModel } from '../../src/io/index.ts';
import { fnv64 } from '../../src/io/hash.ts';
import { readMasks, readMasksFor, writeMasks, type MaskFormat } from '../../src/io/masks/index.ts';
import { writeNpy } from '../../src/io/npy.ts';
import { writeOnnx } from '../../src/io/onnx/index.ts';
import { readNpz } from '../../src/io/npz.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import { readSmtx, writeSmtx } from '../../src/io/smtx.ts';
import { applyMasks, compareMasks, maskFrom, masksOf, matchMasks, prune, sameMask, type Masks } from '../../src/prune/index.ts';
import { sizeOf, Tensor } from '../../src/tensor.ts';
import { sketch } from '../prune/networks.ts';
import { root } from '../root.ts';
import { refusal, shown, text } from './masks.ts';
import { tfmot } from './npz-files.ts';

const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });
const mask = shape.chain((dims) => fc.array(fc.integer({ min: 0, max: 1 }), { minLength: sizeOf(dims), maxLength: sizeOf(dims) })
  .map((bits) => maskFrom(bits, dims)));
const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 10 }), fc.constantFrom('10', '2', '__proto__', 'toString', 'conv1.weight'));
const named = fc.uniqueArray(fc.tuple(name.filter((one) => one !== '__metadata__'), mask), { selector: ([one]) => one, maxLength: 6 });

test('FNV-1a by its published values', () => {
  assert.equal(['', 'a', 'foobar'].map((one) => fnv64(text(one))), ['cbf29ce484222325', 'af63dc4c8601ec8c', '85944171f73967e8']);
});

test('saved and read again, masks and how they were made are the same, in the same order', async () => {
  const how = fc.json().map((json) => JSON.parse(json) as unknown).filter((value) => !Object.is(value, -0));
  await fc.assert(fc.asyncProperty(named, how, async (list, made) => {
    const back = await readMasks(writeMasks(new Map(list), made));
    assert.is(back.kind, 'burin');
    assert.equal([...back.masks], list);
    assert.equal(JSON.stringify(back.how), JSON.stringify(made));
  }), { seed: 1, numRuns: 300 });
});

test('the file is the documented one', () => {
  const bytes = writeMasks(new Map([['fc.weight', maskFrom([1, 0, 1, 1, 0, 0, 0, 0, 0, 1], [2, 5])]]), { sparsity: 0.6 });
  const { tensors, metadata } = readSafetensors(bytes), hash = fnv64(Uint8Array.of(0b1101, 0b10));
  const stored = Array.from(tensors, ([one, { type, dims, data }]) => [one, type, dims, [...data]]);
  assert.equal(stored, [['fc.weight', 'uint8', [2], [0b1101, 0b10]]]);
  const list = `[{"name":"fc.weight","shape":[2,5],"hash":"${hash}"}]`, how = '{"sparsity":0.6}';
  assert.equal(metadata, { format: 'burin masks', version: '1', masks: list, how, hash: fnv64(text(`${list}\n${how}`)) });
});

test('options of prune are what JSON can hold of them', async () => {
  const score = (weights: Float32Array): Float32Array => weights;
  const options = { sparsity: 0.5, granularity: [1, Infinity, 1, 1], criterion: { formula: 'w', score }, layers: undefined };
  const { how } = await readMasks(writeMasks(new Map(), options));
  assert.equal(how, { sparsity: 0.5, granularity: [1, 'Infinity', 1, 1], criterion: { formula: 'w', score: 'score' } });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.throws(() => writeMasks(new Map(), circle), /levels of how it was made/);
});

const sampleMasks = new Map([['a.weight', maskFrom([1, 0, 1, 1, 0, 1, 1, 0, 1], [3, 3])], ['b', maskFrom([0, 1, 1, 0], [4])]]);
const sample = writeMasks(sampleMasks, { seed: 1 });

test('no bit can change unseen', async () => {
  assert.equal((await readMasks(sample)).masks, sampleMasks);
  for (let bit = 0; bit < sample.length * 8; bit++) {
    const bytes = sample.slice();
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.match(await refusal(() => readMasks(bytes, { name: 'x' })), /^(file|unsupported|limit): /, `bit ${bit}`);
  }
});

test('cut anywhere, the file is refused', async () => {
  for (let length = 0; length < sample.length; length++) {
    assert.match(await refusal(() => readMasks(sample.subarray(0, length), { name: 'x' })), /^file: /, `${length} bytes`);
  }
});

/** The sample with other metadata or tensors. */
function changed(metadata: Record<string, string>, tensors: ReadonlyMap<string, Tensor> = readSafetensors(sample).tensors): Uint8Array {
  return writeSafetensors(tensors, { ...readSafetensors(sample).metadata, ...metadata });
}

/** With a hash that fits, so that what lies behind it is looked at. */
function listed(list: unknown, tensors?: ReadonlyMap<string, Tensor>): Uint8Array {
  const masks = JSON.stringify(list), how = 'null';
  return changed({ masks, how, hash: fnv64(text(`${masks}\n${how}`)) }, tensors);
}

test('what a mask file must not say', async () => {
  const { tensors, metadata } = readSafetensors(sample);
  const [a, b] = JSON.parse(metadata.masks) as { name: string; shape: number[]; hash: string }[], spare = new Tensor('uint8', [0xff]);
  const without = Object.fromEntries(Object.entries(metadata).filter(([field]) => field !== 'version'));
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [changed({ version: '2' }), /^unsupported: mask file: needs version 1, got '2'/],
    [changed({ how: '{}' }), /mask file, header: needs the hash .*the file is damaged/],
    [changed({ format: 'others' }), /the format 'burin masks'/],
    [writeSafetensors(tensors, without), /version in its metadata/],
    [listed('no list'), /a list of \{ name, shape, hash \}/],
    [listed([a, { ...b, shape: [-4] }]), /a list of/],
    [listed([a, { ...b, shape: [2 ** 40] }]), /a list of/],
    [listed([a]), /needs 2 masks in its list, got 1/],
    [listed([a, b, b]), /needs 2 masks in its list, got 3/],
    [listed([a, { ...b, name: 'c' }]), /'c': needs its bits as U8, got nothing/],
    [listed([a, { ...b, shape: [9] }]), /'b' \[9\]: needs 2 bytes of bits, got 1/],
    [listed([a, { ...b, hash: a.hash }]), /'b': needs the hash .*the file is damaged/],
    [listed([a, { ...b, hash: fnv64(spare.data as Uint8Array) }], new Map([...tensors, ['b', spare]])), /'b': needs spare bits of 0/],
    [listed([a, b], new Map([...tensors, ['b', new Tensor('int8', [6])]])), /its bits as U8, got int8/],
  ];
  for (const [bytes, message] of cases) assert.match(await refusal(() => readMasks(bytes)), message);
  assert.throws(() => writeMasks(new Map([['a', { dims: [9], bits: new Uint8Array(1) }]])), /mask 'a' \[9\]: needs 2 bytes, .*got 1/);
  assert.throws(() => writeMasks(new Map([['a', { dims: [4], bits: Uint8Array.of(16) }]])), /spare bits of 0/);
  assert.throws(() => writeMasks({} as Masks), /a Map of masks/);
});

test('no bytes are trusted: masks or a typed error, soon', async () => {
  const survives = async (bytes: Uint8Array): Promise<void> => {
    const start = performance.now();
    await refusal(() => readMasks(bytes, { name: 'x' }));
    assert.ok(performance.now() - start < 1000);
  };
  const network = writeOnnx(sketch({ a: { dims: [1, 1, 1, 2], values: [0, 1] } }));
  const files = [sample, tfmot, network, writeNpy(new Tensor('bool', [1, 0, 1])), text('2, 3, 2\n0 1 2\n0 2\n')];
  const change = fc.record({ at: fc.nat(2000), byte: fc.nat(255) });
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 5 }), fc.option(fc.nat(2000)),
    async (file, changes, cut) => {
      const bytes = file.slice(0, cut === null ? undefined : cut % file.length);
      for (const { at, byte } of changes) if (bytes.length) bytes[at % bytes.length] = byte;
      await survives(bytes);
    }), { seed: 2, numRuns: 2000 });
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), survives), { seed: 3, numRuns: 300 });
  assert.match(await refusal(() => readMasks(new Uint8Array(0))), /^file: mask file: needs a file of safetensors, npz, npy, smtx, ONNX/);
  assert.match(await refusal(() => readMasks('a.npz' as unknown as Uint8Array)), /^argument: readMasks: needs the bytes of a file/);
});

test('one matrix needs a name', async () => {
  const graph = sketch({ conv: { dims: [2, 1, 1, 3], values: [1, 2, 3, 4, 5, 6] } }), smtx = text('2, 3, 2\n0 1 2\n0 2\n');
  assert.match(await refusal(() => readMasks(smtx)), /^argument: mask file of one matrix: needs the name of its weight/);
  const { kind, masks } = await readMasksFor(graph, smtx, { name: 'conv' });
  assert.equal([kind, shown(masks)], ['matrix', [['conv.weight', [2, 1, 1, 3], '100001']]]);
  const npy = await readMasksFor(graph, writeNpy(new Tensor('bool', [1, 1, 0, 0, 0, 1], [2, 1, 1, 3])), { name: 'conv' });
  assert.equal(shown(npy.masks), [['conv.weight', [2, 1, 1, 3], '110001']]);
  assert.match(await refusal(() => readMasksFor(graph, smtx, { name: 'fc' })), /^argument: .*needs masks of weights of this net.*\[fc\]/);
});

test('a pruned network is a file of masks', async () => {
  const graph = zooGraph('lenet-5-caffe');
  const { graph: pruned, masks } = prune(graph, { sparsity: 0.9, granularity: 'kernel', exclude: ['fc*'] });
  for (const sparse of [false, true]) {
    const back = await readMasksFor(graph, writeOnnx(pruned, { sparse }));
    assert.equal([back.kind, back.unmatched, back.bare], ['network', [], []]);
    for (const [weight, own] of masks) assert.ok(sameMask(back.masks.get(weight)!, own), weight);
    assert.equal(applyMasks(graph, back.masks).constants.get('conv2.weight'), pruned.constants.get('conv2.weight'));
  }
});

test('the mask of the published face detector comes back from TFLite, ONNX, sparse ONNX and every mask file', async () => {
  const tflite = readFileSync(`${root}/node_modules/@mediapipe/face_detection/face_detection_full_range_sparse.tflite`);
  const graph = await readModel(tflite), masks = masksOf(graph);
  const files = [tflite, writeOnnx(graph), writeOnnx(graph, { sparse: true }), writeMasks(masks), writeMasks(masks, {}, { format: 'npz' })];
  for (const file of files) {
    const back = await readMasksFor(graph, file);
    assert.equal([back.matched.length, back.unmatched, back.bare], [91, [], []]);
    assert.equal(compareMasks(back.masks, masks).total, { both: 176_276, onlyFirst: 0, onlySecond: 0, overlap: 1 });
  }
});

const networks = ['lenet-5-caffe', 'mobilenetv1', 'resnet20-cifar'] as const;
for (const network of networks) {
  test(`${network}: masks come back in every format`, async () => {
    const graph = zooGraph(network), { masks } = prune(graph, { sparsity: 0.7 });
    for (const format of ['safetensors', 'npz'] as const) {
      const back = await readMasksFor(graph, writeMasks(masks, { sparsity: 0.7 }, { format }));
      assert.equal([back.kind, back.unmatched, back.bare, [...back.masks.keys()]],
        [format === 'npz' ? 'masks' : 'burin', [], [], [...masks.keys()]]);
      for (const [weight, own] of masks) assert.ok(sameMask(back.masks.get(weight)!, own), weight);
    }
    const [weight, own] = [...masks][0], bytes = writeMasks(new Map([[weight, own]]), {}, { format: 'smtx', graph });
    const back = await readMasksFor(graph, bytes, { name: weight });
    assert.ok(sameMask(back.masks.get(weight)!, own), weight);
  });
}

test('smtx holds O × I·KH·KW, whichever way the weight lies', async () => {
  const values = [0, 1, 1, 0, 0, 1], rows = [[0, 1, 0], [1, 0, 1]];
  for (const [op, dims] of [['MatMul', [3, 2]], ['ConvTranspose', [3, 2, 1, 1]]] as const) {
    const graph = sketch({ a: { op, dims, values } }), masks = masksOf(graph), bytes = writeMasks(masks, {}, { format: 'smtx', graph });
    const { cols, values: found } = readSmtx(bytes);
    assert.equal([0, 1].map((row) => [...found.subarray(row * cols, (row + 1) * cols)]), rows);
    assert.equal((await readMasksFor(graph, bytes, { name: 'a' })).masks, masks);
  }
  const graph = sketch({ a: { op: 'MatMul', dims: [3, 2], values } }), masks = masksOf(graph);
  assert.throws(() => writeMasks(masks, {}, { format: 'smtx' }), /smtx, 'a.weight': needs the network, which knows how the weight lies/);
  const other = new Map([['b.weight', masks.get('a.weight')!]]);
  assert.throws(() => writeMasks(other, {}, { format: 'smtx', graph }), /'b.weight': needs the mask of a layer of the network/);
  const turned = new Map([['a.weight', maskFrom(values, [2, 3])]]);
  assert.throws(() => writeMasks(turned, {}, { format: 'smtx', graph }), /needs a mask \[3, 2\], as the weight is, got \[2, 3\]/);
  assert.throws(() => writeMasks(new Map(), {}, { format: 'smtx' }), /needs one mask, as the file holds one matrix, got 0/);
  assert.throws(() => writeMasks(new Map(), {}, { format: 'h5' as MaskFormat }), /format: needs one of safetensors, npz, smtx, got 'h5'/);
});

test('a square weight that is stored [I, O] goes into smtx as O × I and comes back as it lies', async () => {
  const values = [1, 1, 1, 0, 0, 0, 0, 1, 0];
  const ways = [['MatMul', {}, true], ['Gemm', {}, true], ['Gemm', { transB: 1 }, false], ['Linear', {}, false]] as const;
  for (const [op, attrs, turned] of ways) {
    const graph = sketch({ a: { op, dims: [3, 3], values, attrs } }), masks = masksOf(graph);
    const bytes = writeMasks(masks, {}, { format: 'smtx', graph });
    assert.equal([...readSmtx(bytes).values], turned ? [1, 0, 0, 1, 0, 1, 1, 0, 0] : values, op);
    const file = await readMasks(bytes, { name: 'a.weight' });
    for (const name of ['a', 'a.weight']) assert.equal((await readMasksFor(graph, bytes, { name })).masks, masks, `${op} ${name}`);
    assert.equal(matchMasks(graph, file.masks, { layout: file.layout }).masks, masks, op);
  }
});

test('npz of masks are bool arrays in the shape of the weights', async () => {
  const arrays = await readNpz(writeMasks(new Map([['a', maskFrom([1, 0, 1], [3, 1])]]), {}, { format: 'npz' }));
  assert.equal([...arrays], [['a', new Tensor('bool', [1, 0, 1], [3, 1])]]);
});

test('matrices come back from smtx, empty ones too', () => {
  const matrices = fc.tuple(fc.nat(4), fc.nat(120)).chain(([rows, cols]) =>
    fc.array(fc.integer({ min: 0, max: 1 }), { minLength: rows * cols, maxLength: rows * cols })
      .map((values) => ({ rows, cols, values: Float32Array.from(values) })));
  fc.assert(fc.property(matrices, (matrix) => assert.equal(readSmtx(writeSmtx(matrix)), matrix)), { seed: 5 });
  const values = Float32Array.from({ length: 24 }, (_, i) => Number(i > 8));
  assert.is(new TextDecoder().decode(writeSmtx({ rows: 2, cols: 12, values })),
    '2, 12, 15\n0 3 15\n9 10 11 0 1 2 3 4 5 6 7 8 9 10 11\n');
});

test('a file of ours for another network says so', async () => {
  const bytes = writeMasks(prune(zooGraph('lenet-5-caffe'), { sparsity: 0.5 }).masks), graph = zooGraph('lenet-300-100');
  assert.match(await refusal(() => readMasksFor(graph, bytes)), /^shape: mask 'fc1.weight': needs a shape that fits fc1.weight/);
});

test.run();
