import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../../src/graph/evaluate.ts';
import type { Graph, Node } from '../../../src/graph/graph.ts';
import { pruneChannels, removeChannels } from '../../../src/prune/index.ts';
import { numbersOf, type Tensor } from '../../../src/tensor.ts';
import { filled } from '../../graph/call.ts';
import { dimsOf, f32, feedsOf, graphOf, int, node, removed, riddled, type Attrs, type Constants } from './removing.ts';

// 0 times a live value is 0: channels whose factor is known to be 0, and what only they need.

const conv = (name: string, x: string, attrs: Attrs = {}): Node => node(name, 'Conv', [x, `${name}.w`, `${name}.b`], attrs);
const gates: Readonly<Record<string, (x: string) => Node[]>> = {
  sigmoid: (x) => [node('g', 'Sigmoid', [x])],
  'hard sigmoid': (x) => [node('g', 'HardSigmoid', [x])],
  'what exporters write for it': (x) =>
    [node('g1', 'Add', [x, 'three']), node('g2', 'Clip', ['g1', 'zero', 'six']), node('g', 'Div', ['g2', 'six'])],
  'nothing at all': (x) => [node('g', 'Identity', [x])],
};

const numbers = { zero: f32([], [0]), three: f32([], [3]), six: f32([], [6]) };

interface Block { gate?: (x: string) => Node[]; dead?: readonly number[]; bias?: Tensor; excite?: Tensor; outputs?: string[] }

/** Squeeze and excitation on eight channels between two layers; the gate comes of what `a` gives, through two linear layers. */
function block({ gate = gates['hard sigmoid'], dead = [1, 4, 5], bias, excite, outputs = ['y'] }: Block): Graph {
  return graphOf([
    conv('a', 'x'), node('r', 'Relu', ['a']), node('p', 'GlobalAveragePool', ['r']), conv('s', 'p'), node('t', 'Relu', ['s']),
    conv('e', 't'), ...gate('e'), node('m', 'Mul', ['r', 'g']), conv('y', 'm', { pads: [1, 1, 1, 1] }),
  ], [1, 3, 5, 5], {
    ...numbers, 'a.w': riddled([8, 3, 1, 1], 1, { dead }), 'a.b': bias ?? f32([8], [0.1, 0, 0.2, -0.1, -0.3, 0, 0.4, 0.1]),
    's.w': filled([4, 8, 1, 1], 2), 's.b': filled([4], 3), 'e.w': excite ?? filled([8, 4, 1, 1], 4), 'e.b': filled([8], 5),
    'y.w': filled([3, 8, 3, 3], 6), 'y.b': filled([3], 7),
  }, outputs);
}

const sizes = (small: Parameters<typeof dimsOf>[0]): (readonly number[])[] =>
  ['a.w', 's.w', 'e.w', 'y.w'].map((name) => dimsOf(small, name).slice(0, 2));

for (const [name, gate] of Object.entries(gates)) {
  test(`squeeze and excitation by ${name}: a dead channel goes with its gate, and nothing is owed at the border`, () => {
    assert.equal(sizes(removed(block({ gate }))), [[5, 3], [4, 5], [5, 4], [3, 5]]);
  });
}

test('what else only the gate of a dead channel needs goes too', () => {
  // Of what is squeezed into four, the third is read for channels 1, 4 and 5 alone.
  const excite = filled([8, 4, 1, 1], 4);
  excite.data.forEach((_, i) => { if (i % 4 === 2 && ![1, 4, 5].includes(i >> 2)) excite.data[i] = 0; });
  assert.equal(sizes(removed(block({ excite }))), [[5, 3], [3, 5], [5, 3], [3, 5]]);
});

test('a gate that is shut takes its channel along', () => {
  const graph = block({ dead: [], excite: riddled([8, 4, 1, 1], 4, { dead: [0, 3] }) });
  const shut = { ...graph, constants: new Map(graph.constants).set('e.b', f32([8], [-9, 0.2, 0.1, -4, 1, 1, 1, 1])) };
  // The channels of `a` are still squeezed; only the product and what reads it is smaller.
  const small = removed(shut);
  assert.equal(sizes(small), [[8, 3], [4, 8], [8, 4], [3, 8]], 'held by the pool of the same value');
  const nodes = shut.nodes.map((each) => (each.name === 'p' ? { ...each, inputs: ['q'] } : each)).toSpliced(1, 0, conv('q', 'x'));
  const apart = { ...shut, nodes, constants: new Map(shut.constants).set('q.w', filled([8, 3, 1, 1], 8)).set('q.b', filled([8], 9)) };
  assert.equal(sizes(removed(apart)), [[6, 3], [4, 8], [6, 4], [3, 6]]);
});

test('a constant that is not zero is no reason: it is multiplied by what is alive', () => {
  assert.equal(sizes(removed(block({ bias: f32([8], [0.1, 0.5, 0.2, -0.1, -0.3, 0, 0.4, 0.1]) }))), [[6, 3], [4, 6], [6, 4], [3, 6]]);
});

test('what makes infinities of ordinary numbers may make NaN of the zero: it stays', () => {
  const odd: Readonly<Record<string, (x: string) => Node[]>> = {
    log: (x) => [node('g', 'Log', [x])], reciprocal: (x) => [node('g', 'Reciprocal', [x])],
    quotient: (x) => [node('g', 'Div', ['three', x])], 'behind one': (x) => [node('l', 'Log', [x]), node('g', 'Sigmoid', ['l'])],
  };
  for (const [name, gate] of Object.entries(odd)) assert.equal(sizes(removed(block({ gate }))), [[8, 3], [4, 8], [8, 4], [3, 8]], name);
});

test('an output of the network keeps the channels of a product, and a product with itself needs itself', () => {
  assert.equal(sizes(removed(block({ outputs: ['m', 'y'] }))), [[8, 3], [4, 8], [8, 4], [3, 8]]);
  const square = graphOf([conv('a', 'x'), node('r', 'Relu', ['a']), node('m', 'Mul', ['r', 'r']), conv('y', 'm')], [1, 3, 4, 4], {
    'a.w': riddled([4, 3, 1, 1], 1, { dead: [1, 2] }), 'a.b': f32([4], [1, -1, 0, 1]), 'y.w': filled([2, 4, 1, 1], 2),
    'y.b': filled([2], 3),
  }, ['m', 'y']);
  removed(square);
});

test('two zeros need one of them: where the product stays, so does what makes it zero', () => {
  const constants: Constants = {
    'a.w': riddled([4, 3, 1, 1], 1, { dead: [1] }), 'a.b': f32([4], [1, -1, 0, 1]), 'b.w': riddled([4, 3, 1, 1], 2, { dead: [1, 2] }),
    'b.b': f32([4], [1, -1, 0, 1]),
  };
  const nodes = [conv('a', 'x'), node('r', 'Relu', ['a']), conv('b', 'x'), node('q', 'Relu', ['b']), node('m', 'Mul', ['r', 'q'])];
  const { graph } = removed(graphOf(nodes, [1, 3, 4, 4], constants));
  const values = numbersOf(evaluate(graph, feedsOf(graph)).m);
  for (let i = 16; i < 48; i++) assert.is(Math.abs(values[i]), 0);
});

test('factors that are constants, sums of zeros, and normalised zeros are known', () => {
  const image = filled([1, 4, 4, 4], 5), cases: Readonly<Record<string, [Node[], Constants, number]>> = {
    'a factor a channel': [[node('m', 'Mul', ['a', 'k'])], { k: f32([4, 1, 1], [1, 0, 2, 0]) }, 2],
    'a factor an element': [[node('m', 'Mul', ['k', 'a'])], { k: image }, 3],
    'the sum of zeros': [[node('r', 'Relu', ['a']), node('m', 'ReduceSum', ['r', 'axes'])], { axes: int(2, 3) }, 3],
    'normalised zeros': [[node('r', 'Relu', ['a']), node('m', 'InstanceNormalization', ['r', 'o', 'o'])], { o: filled([4], 6) }, 3],
  };
  image.data.fill(0, 32, 48);
  for (const [name, [middle, constants, want]] of Object.entries(cases)) {
    const dead = name.startsWith('a factor') ? [] : [2], nodes = [conv('a', 'x'), ...middle, conv('y', 'm')];
    const small = removed(graphOf(nodes, [1, 3, 4, 4], {
      'a.w': riddled([4, 3, 1, 1], 1, { dead }), 'a.b': f32([4], [0.1, 0.2, -0.3, 0.4]), 'y.w': filled([2, 4, 1, 1], 2),
      'y.b': filled([2], 3), ...constants,
    }));
    assert.equal([dimsOf(small, 'a.w')[0], dimsOf(small, 'y.w')[1]], [want, want], name);
  }
});

test('one map of places for all channels: shut, it leaves one channel of the product', () => {
  const nodes = [conv('a', 'x'), conv('s', 'x'), node('h', 'Relu', ['s']), node('m', 'Mul', ['a', 'h']), conv('y', 'm')];
  const small = removed(graphOf(nodes, [1, 3, 4, 4], {
    'a.w': filled([4, 3, 1, 1], 1), 'a.b': filled([4], 2), 's.w': riddled([1, 3, 1, 1], 3, { dead: [0] }), 's.b': f32([1], [-1]),
    'y.w': filled([2, 4, 1, 1], 4), 'y.b': filled([2], 5),
  }));
  assert.equal(['a.w', 'y.w'].map((name) => dimsOf(small, name)), [[1, 3, 1, 1], [2, 1, 1, 1]]);
});

test('pruned as channels, a gate of its own layers loses what its product loses', () => {
  const { graph } = pruneChannels(block({ dead: [], gate: gates.sigmoid }), { sparsity: 0.5 }), { report } = removeChannels(graph);
  assert.ok(report.macs.after < 0.55 * report.macs.before, `${report.macs.after} of ${report.macs.before}`);
  removed(graph);
});

test.run();
