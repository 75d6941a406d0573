import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import { channelGroups, coupledItems, type ChannelGroup } from '../../../src/prune/index.ts';
import type { Node } from '../../../src/graph/graph.ts';
import { filled } from '../../graph/call.ts';
import { graphOf, int, node, type Attrs, type Constants } from './removing.ts';

const conv = (name: string, x: string, attrs: Attrs = {}): Node => node(name, 'Conv', [x, `${name}.w`], attrs);
const weight = (o: number, i: number): ReturnType<typeof filled> => filled([o, i, 1, 1], o + i);
const groupsOf = (nodes: Node[], channels: number, constants: Constants, outputs?: string[]): ChannelGroup[] =>
  channelGroups(graphOf(nodes, [1, channels, 4, 4], constants, outputs));

/** `node side channels`, of everything that goes with channels of a node. */
function goes(groups: readonly ChannelGroup[], name: string, indices: readonly number[]): string[] {
  return coupledItems(groups, { node: name, indices }).map(({ node: at, side, indices: own }) => `${at} ${side} ${own}`);
}

test('ResNet-18: channels 2, 6 and 9 of conv1 touch sixteen items', () => {
  const graph = zooGraph('resnet18'), items = coupledItems(channelGroups(graph), { node: 'conv1', indices: [2, 6, 9] });
  assert.is(items.length, 16);
  assert.ok(items.every(({ indices }) => String(indices) === '2,6,9'));
  const of = (...sides: string[]): string[] => items.filter(({ side }) => sides.includes(side)).map((item) => item.node).sort();
  const blocks = ['layer1.0', 'layer1.1'], behind = blocks.flatMap((name) => [`${name}.conv2`, `${name}.bn2`]);
  assert.equal(of('out', 'param'), ['conv1', 'bn1', ...behind].sort());
  assert.equal(of('in'), [...blocks.map((name) => `${name}.conv1`), 'layer2.0.conv1', 'layer2.0.downsample.0'].sort());
  assert.equal(of('through'), ['relu', 'maxpool', ...blocks.flatMap((name) => [`${name}.add`, `${name}.relu`])].sort());
  const constants = items.flatMap((item) => item.constants.map(({ name, axis }) => [name, graph.constants.get(name)!.dims[axis]]));
  assert.is(constants.length, 3 + 3 * 4 + 4);
  assert.ok(constants.every(([, length]) => length === 64));
});

test('ResNet-18: one group for each width and branch; input and classes are fixed', () => {
  const groups = channelGroups(zooGraph('resnet18')), free = groups.filter(({ fixed }) => !fixed);
  assert.equal(free.map(({ sets }) => sets), [64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512]);
  assert.equal(groups.filter(({ fixed }) => fixed).map(({ fixed, sets }) => [fixed, sets]), [
    ['an input of the network keeps its shape', 3], ['an output of the network keeps its shape', 1000],
  ]);
});

test('a depthwise layer couples its sides, with more filters than inputs as well; other groups lose the same offsets', () => {
  const build = (dims: number[], group: number): ChannelGroup[] =>
    groupsOf([conv('a', 'x'), conv('d', 'a', { group }), conv('y', 'd')], 2, {
      'a.w': weight(6, 2), 'd.w': filled(dims, 1), 'y.w': weight(3, dims[0]),
    });
  assert.equal(goes(build([6, 1, 1, 1], 6), 'a', [1, 4]), ['a out 1,4', 'd out 1,4', 'd in 1,4', 'y in 1,4']);
  assert.equal(goes(build([12, 1, 1, 1], 6), 'a', [1]), ['a out 1', 'd out 2,3', 'd in 1', 'y in 2,3']);
  assert.equal(goes(build([9, 2, 1, 1], 3), 'a', [1]), ['a out 1,3,5', 'd in 1,3,5']);
  assert.equal(goes(build([9, 2, 1, 1], 3), 'd', [4]), ['d out 1,4,7', 'y in 1,4,7']);
  const whole = goes(build([3, 2, 1, 1], 3), 'd', [2]);
  assert.equal(whole, ['a out 4,5', 'd out 2', 'd in 4,5', 'y in 2'], 'one filter a group: the group goes');
});

test('concatenations map offsets, a value joined to itself twice; split and slice invert', () => {
  const constants = {
    'a.w': weight(4, 2), 'b.w': weight(3, 2), 'y.w': weight(2, 11), n: int(4, 7), from: int(2), to: int(5), axes: int(1),
  };
  const joined = node('c', 'Concat', ['a', 'b', 'a'], { axis: 1 });
  const groups = groupsOf([conv('a', 'x'), conv('b', 'x'), joined, conv('y', 'c')], 2, constants);
  assert.equal(goes(groups, 'a', [1]), ['a out 1', 'c through 1,8', 'y in 1,8']);
  assert.equal(goes(groups, 'b', [0, 2]), ['b out 0,2', 'c through 4,6', 'y in 4,6']);
  const split = node('s', 'Split', ['c', 'n'], { axis: 1 }, ['p', 'q']), sliced = node('t', 'Slice', ['q', 'from', 'to', 'axes']);
  const parts = groupsOf([conv('a', 'x'), conv('b', 'x'), joined, split, sliced, conv('y', 't'), conv('z', 'p')], 2, {
    ...constants, 'y.w': weight(2, 3), 'z.w': weight(2, 4),
  }, ['y', 'z']);
  assert.equal(goes(parts, 'b', [2]), ['b out 2', 'c through 6', 's through 2', 't through 0', 'y in 0']);
  assert.equal(goes(parts, 'a', [3]), ['a out 3', 'c through 3,10', 's through 3', 's through 6', 'z in 3']);
});

test('flattened channels: c·HW … in NCHW, c + k·C in NHWC', () => {
  const constants = { 'a.w': weight(3, 2), shape: int(1, -1), 'l.w': filled([48, 5], 1) }, read = node('l', 'MatMul', ['f', 'l.w']);
  const nchw = groupsOf([conv('a', 'x'), node('f', 'Flatten', ['a']), read], 2, constants);
  assert.equal(coupledItems(nchw, { node: 'a', indices: [1] }).at(-1)!.indices, Array.from({ length: 16 }, (_, k) => 16 + k));
  const turned = [node('t', 'Transpose', ['a'], { perm: [0, 2, 3, 1] }), node('f', 'Reshape', ['t', 'shape'])];
  const nhwc = groupsOf([conv('a', 'x'), ...turned, read], 2, constants), item = coupledItems(nhwc, { node: 'a', indices: [1] }).at(-1)!;
  assert.equal([item.node, item.side, item.constants], ['l', 'in', [{ name: 'l.w', axis: 0 }]]);
  assert.equal(item.indices, Array.from({ length: 16 }, (_, k) => 1 + 3 * k));
});

test('a channel shuffle: what lies at one place of its groups goes together', () => {
  const constants = { 'a.w': weight(8, 2), 'y.w': weight(2, 8), s: int(0, 2, 4, 4, 4), t: int(0, 8, 4, 4) };
  const shuffle = [
    node('r', 'Reshape', ['a', 's']), node('p', 'Transpose', ['r'], { perm: [0, 2, 1, 3, 4] }), node('u', 'Reshape', ['p', 't']),
  ];
  const groups = groupsOf([conv('a', 'x'), ...shuffle, conv('y', 'u')], 2, constants);
  assert.equal(goes(groups, 'a', [1]), ['a out 1,5', 'r through 1', 'p through 1', 'u through 2,3', 'y in 2,3']);
});

test('parameters follow; what spreads, mixes or shares a weight is coupled or fixed', () => {
  const constants = { 'a.w': weight(4, 4), slope: filled([4, 1, 1], 1), bias: filled([1, 4, 1, 1], 2), 'y.w': weight(2, 4) };
  const params = groupsOf([
    conv('a', 'x'), node('p', 'PRelu', ['a', 'slope']), node('b', 'Add', ['bias', 'p']),
    node('t', 'ConvTranspose', ['b', 'y.w'], { group: 2 }),
  ], 4, { ...constants, 'y.w': filled([4, 3, 2, 2], 1) });
  const touched = coupledItems(params, { node: 'a', indices: [3] }).map(({ node: at, side, constants: own }) =>
    [at, side, own.map(({ name, axis }) => `${name} ${axis}`)]);
  assert.equal(touched, [
    ['a', 'out', ['a.w 0']], ['p', 'param', ['slope 0']], ['b', 'param', ['bias 1']], ['t', 'in', ['y.w 0']],
  ]);
  const fixed = (nodes: Node[], name: string): string | undefined =>
    groupsOf(nodes, 4, constants).find(({ items }) => items.some((item) => item.node === name && item.side === 'out'))!.fixed;
  assert.match(fixed([conv('a', 'x'), node('s', 'Softmax', ['a'], { axis: 1 }), conv('y', 's')], 'a')!, /'s' \(Softmax\) mixes/);
  const one = node('o', 'Conv', ['x', 'o.w']), gate = node('g', 'Mul', ['a', 'o']);
  const spread = groupsOf([conv('a', 'x'), one, gate, conv('y', 'g')], 4, { ...constants, 'o.w': weight(1, 4) });
  assert.equal(spread.map((group) => group.fixed?.replace(/ .*/, '')), ['an', undefined, "'g'", 'an']);
  const shared = groupsOf([conv('a', 'x'), node('b', 'Conv', ['a', 'a.w']), conv('y', 'b')], 4, constants);
  assert.match(shared.find(({ items }) => items.some((item) => item.node === 'b'))!.fixed!, /input of the network/);
});

test('bad questions are typed errors', () => {
  const groups = groupsOf([conv('a', 'x'), conv('y', 'a')], 2, { 'a.w': weight(4, 2), 'y.w': weight(2, 4) });
  assert.throws(() => coupledItems(groups, { node: 'b', indices: [1] }), /node 'b': needs a node that channels pass through/);
  assert.throws(() => coupledItems(groups, { node: 'a', indices: [4] }), /needs channels 0 … 3, got 4/);
  assert.equal(coupledItems(groups, { node: 'y', indices: [1], side: 'in' }).map(({ node: at }) => at), ['a', 'y']);
});

test.run();
