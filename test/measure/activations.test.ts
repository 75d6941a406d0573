import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate } from '../../src/graph/evaluate.ts';
import type { Attr, Graph } from '../../src/graph/graph.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { gatherEvidence } from '../../src/measure/activations.ts';
import { prune } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import { sizeOf, Tensor, type Shape } from '../../src/tensor.ts';

const tensor = (dims: Shape, seed: number): Tensor<Float32Array> =>
  new Tensor('float32', randomFrom(seed).normals(new Float32Array(sizeOf(dims)), 1), dims);

function layer(op: string, x: Shape, w: Shape, attrs: Readonly<Record<string, Attr>> = {}): Graph {
  return {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims: x }], outputs: [{ name: 'y', type: 'float32', dims: [] }],
    nodes: [
      { name: 'half', op: 'Relu', inputs: ['x'], outputs: ['h'], attrs: {} },
      { name: 'layer', op, inputs: ['h', 'w'], outputs: ['y'], attrs },
    ],
    constants: new Map([['w', tensor(w, 1)]]),
  };
}

const withWeight = (graph: Graph, w: Tensor): Graph => ({ ...graph, constants: new Map([['w', w]]) });

const kinds: [string, Graph][] = [
  ['a convolution, padded, strided, dilated, in groups',
    layer('Conv', [2, 4, 7, 6], [4, 2, 3, 2], { group: 2, strides: [2, 1], dilations: [1, 2], pads: [1, 0, 2, 1] })],
  ['a convolution of rows', layer('Conv', [1, 3, 9], [2, 3, 3], { pads: [1, 1] })],
  ['a linear layer of sequences', layer('MatMul', [2, 5, 6], [6, 3])],
  ['Gemm', layer('Gemm', [4, 6], [3, 6], { transB: 1 })],
];
for (const [name, graph] of kinds) {
  test(`the Hessian of ${name}: the error of a change of one filter is ½·δᵀHδ`, async () => {
    const samples = [3, 4].map((seed) => ({ x: tensor(graph.inputs[0].dims as Shape, seed) }));
    const { hessian } = (await gatherEvidence(graph, samples, { what: ['hessian'] })).w, h = hessian as Float64Array;
    const weight = graph.constants.get('w')!, straight = graph.nodes[1].op !== 'MatMul', group = Number(graph.nodes[1].attrs.group ?? 1);
    const filters = straight ? weight.dims[0] : weight.dims[1], n = weight.size / filters;
    for (const filter of [0, filters - 1]) {
      const delta = tensor([n], 7 + filter).data, changed = (weight.data as Float32Array).slice();
      for (let k = 0; k < n; k++) changed[straight ? filter * n + k : k * filters + filter] += delta[k];
      let error = 0;
      for (const feeds of samples) {
        const other = withWeight(graph, new Tensor('float32', changed, weight.dims));
        const [a, b] = [graph, other].map((g) => evaluate(g, feeds).y.data as Float32Array);
        a.forEach((value, i) => { error += (value - b[i]) ** 2; });
      }
      let form = 0;
      const first = Math.floor(filter / (filters / group)) * n * n;
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) form += (delta[i] * h[first + i * n + j] * delta[j]) / 2;
      assert.ok(Math.abs(form - error) < 1e-4 * error, `${form} for ${error}`);
    }
  });
}

test('norms of input channels, over samples, pixels and rows', async () => {
  const graph = layer('Conv', [2, 2, 1, 3], [1, 2, 1, 1]);
  const x = new Tensor('float32', Float32Array.of(1, 2, 2, 0, 3, 4, 0, 0, 4, -9, 0, 0), [2, 2, 1, 3]);
  const { inputNorms } = (await gatherEvidence(graph, [{ x }])).w;
  assert.equal([...inputNorms as Float64Array], [5, 5]);
  const linear = layer('Linear', [2, 2], [3, 2]), twice = { x: new Tensor('float32', Float32Array.of(3, 1, 0, 2), [2, 2]) };
  const norms = (await gatherEvidence(linear, [twice, twice])).w.inputNorms as Float64Array;
  assert.ok(Math.abs(norms[0] - Math.sqrt(18)) < 1e-6 && Math.abs(norms[1] - Math.sqrt(10)) < 1e-6);
});

test('a whole network: after OBS the output is off by less than half of what magnitude makes it', async () => {
  const graph = zooGraph('lenet-5-caffe'), feeds = [1, 2].map((seed) => ({ input: tensor([1, 1, 28, 28], seed) })), exclude = ['fc1'];
  const evidence = await gatherEvidence(graph, feeds, { what: ['inputNorms', 'hessian'], exclude });
  /** Squared error of the outputs. */
  const lost = (criterion: string): number => {
    const pruned = prune(graph, { criterion, evidence, exclude, sparsity: 0.8, scope: 'row' }).graph;
    return feeds.reduce((sum, feed) => {
      const [a, b] = [graph, pruned].map((g) => Object.values(evaluate(g, feed))[0].data as Float32Array);
      return sum + a.reduce((error, value, i) => error + (value - b[i]) ** 2, 0);
    }, 0);
  };
  const [magnitude, obs] = ['magnitude', 'obs'].map(lost);
  assert.ok(obs < magnitude * 0.5, `${obs} ${magnitude}`);
});

test('Wanda drops by what inputs carry: where one input is silent, its weights go first', async () => {
  const graph = layer('Linear', [4, 3], [2, 3]), x = tensor([4, 3], 5);
  x.data.forEach((value, i) => { x.data[i] = i % 3 === 1 ? -1 : Math.abs(value) + 0.1; });
  const { masks } = prune(graph, { criterion: 'wanda', scope: 'row', sparsity: 1 / 3, evidence: await gatherEvidence(graph, [{ x }]) });
  assert.equal(masks.get('w')!.bits, Uint8Array.of(0b101101));
});

test('refuses Gemm with transA, whose samples are columns', async () => {
  const error = await gatherEvidence(layer('Gemm', [3, 2], [3, 4], { transA: 1 }), []).catch((caught: Error) => caught);
  assert.match((error as Error).message, /evidence of layer: needs inputs with one sample a row, got Gemm with transA/);
});

test('refuses: no sample, unknown names, a Hessian too large', async () => {
  const refuses = async (run: () => Promise<unknown>, message: RegExp): Promise<void> => {
    const error = await run().then(() => undefined, (caught: Error) => caught);
    assert.match(error?.message ?? 'nothing', message);
  };
  const graph = layer('Linear', [1, 2], [3, 2]);
  await refuses(() => gatherEvidence(graph, []), /samples: needs one or more/);
  await refuses(() => gatherEvidence(graph, [], { what: ['taste' as 'hessian'] }), /option what: needs one of inputNorms, hessian/);
  await refuses(() => gatherEvidence(zooGraph('vgg16-cifar'), [], { what: ['hessian'] }), /hessian: needs at most 16777216 numbers/);
});

test.run();
