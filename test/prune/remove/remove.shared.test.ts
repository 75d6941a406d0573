import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph, Node } from '../../../src/graph/graph.ts';
import type { Removed } from '../../../src/prune/index.ts';
import { filled } from '../../graph/call.ts';
import { dimsOf, f32, graphOf, node, removed, riddled, type Attrs, type Constants } from './removing.ts';

// Constants that several nodes read: no removal makes a network larger.

const conv = (name: string, inputs: string[], attrs: Attrs = {}): Node => node(name, 'Conv', inputs, attrs);
const own = (name: string, x: string): Node => conv(name, [x, `${name}.w`, `${name}.b`]);

/** Removes; there must not be more numbers of any kind. */
function smaller(graph: Graph): Removed {
  const small = removed(graph);
  const size = ({ constants }: Graph): number =>
    [...constants.values()].reduce((sum, tensor) => sum + (tensor.type === 'float32' ? tensor.size : 0), 0);
  assert.ok(size(small.graph) <= size(graph), `${size(small.graph)} numbers of ${size(graph)}`);
  return small;
}

const inputsOf = ({ graph }: Removed, name: string): readonly string[] => graph.nodes.find((each) => each.name === name)!.inputs;

/** Two layers with these dead filters, and two of one weight, with biases of these names, behind them. */
function siamese([p, q]: readonly (readonly number[])[], biases: readonly string[], more: Constants = {}, attrs: Attrs = {}): Graph {
  const kernel = attrs.pads ? 3 : 1;
  return graphOf([
    own('p', 'x'), own('q', 'x'), conv('a', ['p', 's', ...biases.slice(0, 1)], attrs), conv('b', ['q', 's', ...biases.slice(1)], attrs),
    node('y', 'Add', ['a', 'b']),
  ], [1, 3, 5, 5], {
    'p.w': riddled([6, 3, 1, 1], 1, { dead: p }), 'p.b': filled([6], 2), 'q.w': riddled([6, 3, 1, 1], 3, { dead: q }),
    'q.b': filled([6], 4), s: filled([5, 6, kernel, kernel], 5), t: filled([5], 6), u: filled([5], 7), ...more,
  });
}

test('one weight of two layers loses the inputs that are dead for both, and stays one', () => {
  const small = smaller(siamese([[0, 1, 4], [1, 4, 5]], ['t', 'u']));
  assert.equal(['s', 'p.w', 'q.w'].map((name) => dimsOf(small, name)), [[5, 4, 1, 1], [4, 3, 1, 1], [4, 3, 1, 1]]);
  assert.equal([inputsOf(small, 'a'), inputsOf(small, 'b')], [['p', 's', 't'], ['q', 's', 'u']]);
  assert.ok(small.report.kept.some(({ value, channels, why }) =>
    value === 'p' && String(channels) === '0' && why === "'a' (Conv) shares 's' with nodes that read it for channels that stay"));
});

test('with one bias for both, or none, it loses what adds the same to both', () => {
  const alike = { 'p.b': f32([6], [1, 2, 3, 4, 5, 6]), 'q.b': f32([6], [9, 2, 9, 9, 7, 9]) };
  for (const biases of [['t', 't'], []]) {
    const small = smaller(siamese([[0, 1, 4], [1, 4, 5]], biases, alike)), [a, b] = ['a', 'b'].map((name) => inputsOf(small, name));
    assert.equal(dimsOf(small, 's'), [5, 5, 1, 1], 'channel 1 is 2 for both, channel 4 is 5 and 7');
    assert.equal([a[1], b[1], a[2]], ['s', 's', b[2]]);
    assert.equal(dimsOf(small, a[2]), [5]);
  }
});

test('where padding shows, constants stay for both; zeros go', () => {
  const pads = { pads: [1, 1, 1, 1] }, dead = [[0, 1, 4], [1, 4, 5]];
  assert.equal(dimsOf(smaller(siamese(dead, ['t', 'u'], {}, pads)), 's'), [5, 6, 3, 3]);
  const zeros = { 'p.b': f32([6], [1, 0, 3, 4, 0, 6]), 'q.b': f32([6], [9, 0, 9, 9, 0, 9]) };
  assert.equal(dimsOf(smaller(siamese(dead, ['t', 't'], zeros, pads)), 's'), [5, 4, 3, 3]);
});

test('a weight that is read otherwise too stays whole: by another layer, as an operand, as an output', () => {
  const constants = {
    'a.w': riddled([6, 6, 1, 1], 1, { dead: [1, 4] }), 'a.b': filled([6], 2), w: riddled([6, 6, 1, 1], 3, { dead: [2] }),
    'z.w': filled([2, 6, 1, 1], 4),
  };
  const first = [own('a', 'x'), conv('b', ['a', 'w'])];
  const others: Record<string, [Node[], string[]]> = {
    transposed: [[node('c', 'ConvTranspose', ['b', 'w']), conv('z', ['c', 'z.w'])], ['z']],
    operand: [[node('c', 'Mul', ['b', 'w']), conv('z', ['c', 'z.w'])], ['z']],
    output: [[conv('z', ['b', 'z.w'])], ['z', 'w']],
  };
  for (const [name, [nodes, outputs]] of Object.entries(others)) {
    const dims = name === 'operand' ? [1, 6, 1, 1] : [1, 6, 4, 4], small = smaller(graphOf([...first, ...nodes], dims, constants, outputs));
    assert.equal([dimsOf(small, 'w'), [...small.graph.constants.keys()].filter((key) => key.startsWith('w'))], [[6, 6, 1, 1], ['w']], name);
  }
});

test('groups of one weight lose the same groups and channels', () => {
  for (const dead of [[[0, 1], [0, 1]], [[0, 1], [2, 3]], [[0, 2, 4], [0, 2, 4]]]) {
    const [p, q] = dead, zero = { 'p.b': f32([6], Array(6).fill(0)), 'q.b': f32([6], Array(6).fill(0)) };
    const nodes = [own('p', 'x'), own('q', 'x'), ...['a', 'b'].map((name, i) => conv(name, ['pq'[i], 's'], { group: 3 })),
      node('c', 'Concat', ['a', 'b'], { axis: 1 }), conv('y', ['c', 'y.w'])];
    const small = smaller(graphOf(nodes, [1, 3, 4, 4], {
      ...zero, 'p.w': riddled([6, 3, 1, 1], 1, { dead: p }), 'q.w': riddled([6, 3, 1, 1], 3, { dead: q }),
      s: riddled([6, 2, 1, 1], 5, { dead: String(dead) === '0,1,0,1' ? [0, 1] : [] }), 'y.w': filled([2, 12, 1, 1], 6),
    }));
    const want = String(p) !== String(q) ? [6, 2, 1, 1] : p.length === 3 ? [6, 1, 1, 1] : [4, 2, 1, 1];
    assert.equal(dimsOf(small, 's'), want, String(dead));
    assert.is(inputsOf(small, 'a')[1], inputsOf(small, 'b')[1]);
  }
});

test('biases and normalisations become one for each reader where that is fewer numbers, and stay one where it is more', () => {
  const statistics = { g: filled([6], 1), o: filled([6], 2), m: filled([6], 3), v: f32([6], [1, 2, 1, 2, 1, 2]) };
  const norm = (name: string, x: string): Node => node(name, 'BatchNormalization', [x, 'g', 'o', 'm', 'v']);
  const build = (inputs: number): Graph => graphOf([
    conv('p', ['x', 'p.w', 'k']), conv('q', ['x', 'q.w', 'k']), norm('np', 'p'), norm('nq', 'q'),
    conv('a', ['np', 'a.w']), conv('b', ['nq', 'b.w']), node('y', 'Add', ['a', 'b']),
  ], [1, inputs, 3, 3], {
    ...statistics, k: filled([6], 4), 'p.w': filled([6, inputs, 1, 1], 5), 'q.w': filled([6, inputs, 1, 1], 6),
    'a.w': riddled([1, 6, 1, 1], 7, { unread: [0] }), 'b.w': riddled([1, 6, 1, 1], 8, { unread: [1] }),
  });
  const few = smaller(build(1)), many = smaller(build(40));
  assert.equal([few, many].map((small) => dimsOf(small, 'p.w')[0]), [6, 5]);
  assert.equal([few, many].map((small) => inputsOf(small, 'np')[1] === inputsOf(small, 'nq')[1]), [true, false]);
});

/** Networks of layers, normalisations and sums that draw their constants from a few. */
const step = fc.record({
  kind: fc.constantFrom('conv', 'conv', 'wide', 'norm', 'shift', 'relu', 'add', 'up', 'grouped'), a: fc.nat(20), b: fc.nat(20),
  w: fc.nat(1), bias: fc.nat(3),
});
const drawn = fc.record({ path: fc.array(step, { minLength: 4, maxLength: 10 }), seed: fc.nat(1000), few: fc.boolean() });
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function network({ path, seed, few }: Drawn): Graph {
  const values = ['x', 'first'], nodes = [conv('first', ['x', 'first.w', 'b0'])];
  const c: Constants = { 'first.w': riddled([6, 6, 1, 1], seed, { dead: [seed % 6, 3] }) };
  for (const i of [0, 1]) {
    const dead = [(seed + i) % 6, 2], unread = [(seed * 3 + i) % 6];
    c[`conv${i}`] = riddled([6, 6, 1, 1], seed + i, { dead, unread });
    c[`wide${i}`] = riddled([6, 6, 3, 3], seed + i, { dead, unread });
    c[`grouped${i}`] = riddled([6, 2, 1, 1], seed + i, { dead });
    for (const [k, key] of ['b', 'g', 'm'].entries()) c[`${key}${i}`] = filled([6], seed + i + k);
    c[`v${i}`] = f32([6], [1, 2, 1, 2, 1, 2]);
    c[`k${i}`] = filled([6, 1, 1], seed + i);
  }
  path.forEach(({ kind, a, b, w, bias }, n) => {
    const x = values[values.length - 1 - (a % Math.min(3, values.length))], name = `v${n + 2}`, other = values[b % values.length];
    if (bias === 2) c[`${name}.b`] = filled([6], seed + n);
    const layer = (op: string, weight: string, attrs: Attrs = {}): Node =>
      node(name, op, [x, few ? `${weight}0` : `${weight}${w}`, ...(bias === 3 ? [] : [bias === 2 ? `${name}.b` : `b${bias}`])], attrs);
    nodes.push({
      conv: () => layer('Conv', 'conv'), up: () => layer('ConvTranspose', 'conv'),
      wide: () => layer('Conv', 'wide', { pads: [1, 1, 1, 1] }),
      grouped: () => layer('Conv', 'grouped', { group: 3 }), relu: () => node(name, 'Relu', [x]), add: () => node(name, 'Add', [x, other]),
      norm: () => node(name, 'BatchNormalization', [x, `g${w}`, `b${bias % 2}`, `m${w}`, 'v0']),
      shift: () => node(name, 'Sub', [x, `k${w}`]),
    }[kind]!());
    values.push(name);
  });
  c['last.w'] = filled([2, 6, 1, 1], seed);
  return graphOf([...nodes, conv('last', [values.at(-1)!, 'last.w'])], [1, 6, 5, 5], c);
}

test('networks of shared weights, biases and normalisations: removed is masked, and nothing grows', () => {
  let fewer = 0;
  fc.assert(fc.property(drawn, (choice) => {
    const graph = network(choice), used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
    const own = { ...graph, constants: new Map([...graph.constants].filter(([name]) => used.has(name))) };
    const { params } = smaller(own).report;
    fewer += Math.sign(params.before - params.after);
  }), { numRuns: 300, seed: 11 });
  assert.ok(fewer > 150, `${fewer} of 300`);
});

test.run();
