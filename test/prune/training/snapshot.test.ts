import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import { fromZeros, isKept, maskFrom, prune, reinitialise, rewind, snapshot } from '../../../src/prune/index.ts';
import { prunableLayers } from '../../../src/graph/layers.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import type { Tensor } from '../../../src/tensor.ts';
import { sketch, weightsOf } from '../networks.ts';

const data = (graph: Graph, name: string): Float32Array => graph.constants.get(name)!.data as Float32Array;

test('a snapshot keeps what training changes: it is a copy', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [1, 3], values: [1, 2, 3] } });
  const before = snapshot(graph);
  data(graph, 'fc.weight').fill(9);
  assert.equal([...before.get('fc.weight')!.data], [1, 2, 3]);
});

test('rewinding: the old values where kept, zero where dropped, in new arrays', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [2, 5], values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] } });
  const start = snapshot(graph);
  const mask = maskFrom([1, 0, 1, 0, 0, 1, 1, 1, 0, 1], [2, 5]);
  const ticket = rewind(graph, start, new Map([['fc.weight', mask]]));
  assert.equal(weightsOf(ticket, 'fc'), [1, 0, 3, 0, 0, 6, 7, 8, 0, 10]);
  data(ticket, 'fc.weight').fill(0);
  assert.equal([...start.get('fc.weight')!.data], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(weightsOf(graph, 'fc'), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(weightsOf(rewind(graph, start), 'fc'), weightsOf(graph, 'fc'));
});

test('rewinding takes biases and normalisations back too', () => {
  const graph = zooGraph('resnet20-cifar');
  const start = snapshot(graph);
  const { masks } = prune(graph, { sparsity: 0.8 });
  const trained = { ...graph, constants: new Map([...graph.constants].map(([name, tensor]) =>
    [name, { ...tensor, data: (tensor.data as Float32Array).slice().fill(7) } as unknown as Tensor])) };
  const ticket = rewind(trained, start, masks);
  for (const [name, tensor] of start) {
    const mask = masks.get(name), wanted = tensor.data.map((value, i) => (!mask || isKept(mask, i) ? value : 0));
    assert.equal(data(ticket, name), wanted, name);
  }
  assert.ok([...start.keys()].some((name) => name.startsWith('bn1')), 'normalisations are constants of their own');
});

test('refuses snapshots and masks of another model', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [1, 3], values: [1, 2, 3] } });
  const other = sketch({ out: { op: 'Linear', dims: [1, 3], values: [1, 2, 3] } });
  assert.throws(() => rewind(graph, snapshot(other)), /needs names of float32 constants of the model, got 'out.weight'/);
  const wide = sketch({ fc: { op: 'Linear', dims: [3, 1], values: [1, 2, 3] } });
  assert.throws(() => rewind(graph, snapshot(wide)), /fc.weight \[1, 3\]: needs values in the stored order of the model, got \[3, 1\]/);
  const masks = new Map([['out.weight', maskFrom([1], [1])]]);
  assert.throws(() => rewind(graph, snapshot(graph), masks), /needs masks of weights that the snapshot has, got \[out.weight\]/);
});

test('reinitialising: the same distribution layer by layer, other places, from a seed', () => {
  const graph = zooGraph('lenet-300-100');
  const anew = reinitialise(graph, { seed: 3 });
  for (const { weight } of prunableLayers(graph)) {
    assert.equal(data(anew, weight).slice().sort(), data(graph, weight).slice().sort(), weight);
    const same = data(anew, weight).filter((value, i) => value === data(graph, weight)[i]).length;
    assert.ok(same < 20, `${same} of ${weight} are where they were`);
  }
  const at = (seed: number): Float32Array => data(reinitialise(graph, { seed }), 'fc1.weight');
  assert.equal(at(3), data(anew, 'fc1.weight'));
  assert.not.equal(at(4), at(3));
  assert.is(fromZeros(graph.constants.get('fc1.weight') as Tensor<Float32Array>).bits.every((byte) => byte === 255), true);
});

test('reinitialising has no memory of positions: the correlation with the first values is that of chance', () => {
  const graph = zooGraph('lenet-300-100'), a = data(graph, 'fc1.weight'), b = data(reinitialise(graph, { seed: 1 }), 'fc1.weight');
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; i++) [ab, aa, bb] = [ab + a[i] * b[i], aa + a[i] ** 2, bb + b[i] ** 2];
  assert.ok(Math.abs(ab / Math.sqrt(aa * bb)) < 4 / Math.sqrt(a.length), `${ab / Math.sqrt(aa * bb)}`);
});

test.run();
