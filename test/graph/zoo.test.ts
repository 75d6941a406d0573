import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, inferShapes } from '../../src/graph/evaluate.ts';
import { zoo, zooGraph } from '../../src/graph/zoo/index.ts';
import { randomFrom } from '../../src/random.ts';
import { Tensor } from '../../src/tensor.ts';

const small = Object.keys(zoo).filter((name) => name !== 'vgg16');

for (const name of small) {
  test(`${name}: the shapes written down are those the operators infer`, () => {
    const graph = zooGraph(name);
    const types = inferShapes(graph);
    assert.equal(types.get('scores')?.shape, graph.outputs[0].dims);
    assert.equal(graph.outputs[0].dims, [1, zoo[name as keyof typeof zoo].classes]);
    assert.is(new Set(graph.nodes.map((node) => node.name)).size, graph.nodes.length);
  });
}

const weights: Record<string, Record<string, number[]>> = {
  'resnet18': {
    'conv1.weight': [64, 3, 7, 7], 'layer1.0.conv1.weight': [64, 64, 3, 3], 'layer2.0.downsample.0.weight': [128, 64, 1, 1],
    'bn1.running_var': [64], 'fc.weight': [1000, 512],
  },
  'resnet50': {
    'layer1.0.conv3.weight': [256, 64, 1, 1], 'layer1.0.downsample.0.weight': [256, 64, 1, 1], 'layer4.2.conv2.weight': [512, 512, 3, 3],
    'fc.bias': [1000],
  },
  'mobilenetv2': {
    'features.0.0.weight': [32, 3, 3, 3], 'features.1.conv.0.0.weight': [32, 1, 3, 3], 'features.1.conv.1.weight': [16, 32, 1, 1],
    'features.2.conv.2.weight': [24, 96, 1, 1], 'features.18.0.weight': [1280, 320, 1, 1], 'classifier.1.weight': [1000, 1280],
  },
  'squeezenet1.0': {
    'features.0.weight': [96, 3, 7, 7], 'features.3.squeeze.weight': [16, 96, 1, 1], 'features.12.expand3x3.weight': [256, 64, 3, 3],
    'classifier.1.bias': [1000],
  },
  'squeezenet1.1': { 'features.0.weight': [64, 3, 3, 3], 'features.12.expand1x1.weight': [256, 64, 1, 1] },
  'vgg16-bn-cifar': {
    'features.0.weight': [64, 3, 3, 3], 'features.1.weight': [64], 'features.40.weight': [512, 512, 3, 3],
    'features.41.running_mean': [512],
  },
};

for (const [name, shapes] of Object.entries(weights)) {
  test(`${name}: torchvision's names and shapes`, () => {
    const { constants } = zooGraph(name);
    for (const [weight, shape] of Object.entries(shapes)) assert.equal(constants.get(weight)?.dims, shape, weight);
  });
}

test('the same seed gives the same weights, another seed others', () => {
  const [a, b, c] = [1, 1, 2].map((seed) => zooGraph('lenet-5-caffe', { seed }).constants.get('conv1.weight')!.data);
  assert.equal(a, b);
  assert.not.equal(a, c);
});

test('weights are He normal', () => {
  const { data } = zooGraph('resnet18').constants.get('layer4.1.conv2.weight')!;
  const mean = (data as Float32Array).reduce((sum, w) => sum + w, 0) / data.length;
  const square = (data as Float32Array).reduce((sum, w) => sum + w * w, 0) / data.length;
  assert.ok(Math.abs(mean) < 1e-4, `mean ${mean}`);
  assert.ok(Math.abs((square * 512 * 9) / 2 - 1) < 0.01, `variance ${square}`);
});

for (const name of ['lenet-300-100', 'lenet-5-caffe', 'resnet20-cifar']) {
  test(`${name}: scores are finite and not all the same`, () => {
    const graph = zooGraph(name);
    const dims = graph.inputs[0].dims as number[];
    const x = new Tensor('float32', randomFrom(7).normals(new Float32Array(dims.reduce((a, b) => a * b)), 1), dims);
    const scores = Array.from(evaluate(graph, { input: x }).scores.data as Float32Array);
    assert.ok(scores.every((score) => Number.isFinite(score) && Math.abs(score) < 1e4), `${scores}`);
    assert.ok(new Set(scores).size === 10);
  });
}

test('input and classes are options', () => {
  const graph = zooGraph('mobilenetv2', { input: 96, classes: 7 });
  assert.equal(graph.inputs[0].dims, [1, 3, 96, 96]);
  assert.equal(graph.outputs[0].dims, [1, 7]);
});

test('errors say what there is', () => {
  assert.throws(() => zooGraph('alexnet'), /zoo: needs one of lenet-300-100, .*squeezenet1.1, got 'alexnet'/);
  assert.throws(() => zooGraph('vgg16', { input: 32 }), /multiple, got 32; take vgg16-cifar/);
  assert.throws(() => zooGraph('resnet18', { classes: 0 }), /option classes: needs a whole number/);
  assert.throws(() => zooGraph('squeezenet1.0', { input: 4 }), /zoo layer 'features.0': needs at least 7 rows and columns, got 4/);
});

test.run();
