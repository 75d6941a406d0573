import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { pack, packedBytes, type Matrix } from '../../src/formats/index.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { bytesOf, type LayerBytes } from '../../src/measure/bytes.ts';
import { prune } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
import { Tensor } from '../../src/tensor.ts';

/** y = W·x alone. */
function linear({ rows, cols, values }: Matrix): Graph {
  return {
    name: 'linear',
    inputs: [{ name: 'x', type: 'float32', dims: [1, cols] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, rows] }],
    nodes: [{ name: 'y', op: 'Linear', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }],
    constants: new Map([['w', new Tensor('float32', values, [rows, cols])]]),
  };
}

/** Weights of which whole blocks of rows × cols are zero with this probability. */
function blocky(rows: number, cols: number, of: { block: [number, number]; sparsity: number; seed?: number }): Matrix {
  const { block, sparsity, seed = 1 } = of;
  const random = randomFrom(seed), values = new Float32Array(rows * cols), kept = new Map<string, boolean>();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const key = `${Math.floor(r / block[0])},${Math.floor(c / block[1])}`;
      if (!kept.has(key)) kept.set(key, random.next() >= sparsity);
      values[r * cols + c] = kept.get(key) ? 1 + r + c : 0;
    }
  }
  return { rows, cols, values };
}

const only = (matrix: Matrix): LayerBytes => bytesOf(linear(matrix)).layers[0];
const named = (layer: LayerBytes, name: string) => layer.packed.find((stored) => stored.name === name);

test('csr by hand: 4 bytes a value, 2 an index, 4 a row and one more', () => {
  const layer = only(blocky(8, 64, { block: [1, 1], sparsity: 0.9 }));
  const csr = named(layer, 'csr')!;
  assert.equal([csr.values, csr.indices, csr.pointers, csr.indexBytes], [4 * layer.nonzero, 2 * layer.nonzero, 4 * 9, 2]);
  assert.is(csr.bytes, 6 * layer.nonzero + 36);
  assert.equal([layer.weights, layer.dense], [512, 2048]);
  assert.is(layer.byteRatio, 2048 / layer.smallestBytes);
  assert.is(layer.compressionRatio, 512 / layer.nonzero);
  assert.ok(layer.byteRatio! < layer.compressionRatio!);
});

test('every packing is the one pack makes', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 80 }), fc.nat(5), (rows, cols, seed) => {
    const block = ([[1, 1], [4, 1], [2, 2], [4, 4], [1, 2], [8, 8]] as [number, number][])[seed];
    const matrix = blocky(rows, cols, { block, sparsity: 0.6, seed });
    for (const { name, format, block, bytes, fill } of only(matrix).packed) {
      const layout = name === 'csr pairs' ? { lanes: 2, unit: 1, kBlock: cols, pairs: true } : undefined;
      const packed = pack(format, matrix, layout, block);
      assert.is(bytes, packedBytes(packed), name);
      assert.is(fill, packed.stored ? packed.nnz / packed.stored : 1, name);
    }
  }), { seed: 4, numRuns: 150 });
});

test('blocks that fit are found, and the smallest of all is named', () => {
  const square = only(blocky(64, 64, { block: [4, 4], sparsity: 0.75 }));
  assert.is(square.smallest, 'bsr 4x4');
  assert.ok(named(square, 'bsr 4x1') && named(square, 'bsr 1x4') && !named(square, 'bsr 16x16'));
  assert.ok(square.byteRatio! > 0.95 * square.compressionRatio!);
  const rows = only(blocky(64, 64, { block: [8, 1], sparsity: 0.75 }));
  assert.is(rows.packed.some(({ name }) => name === 'bsr 4x4'), false);
  assert.is(named(rows, 'bsr 8x1')!.fill, 1);
  const scattered = only(blocky(64, 64, { block: [1, 1], sparsity: 0.75 }));
  assert.equal(scattered.packed.map(({ format }) => format), ['csr', 'csr']);
});

test('windows that hold are found with the least that fits', () => {
  const { graph } = prune(zooGraph('lenet-300-100'), { scope: { keep: 2, of: 4 }, layers: ['fc1'] });
  const [fc1, fc2] = bytesOf(graph).layers;
  const nm = fc1.packed.find(({ format }) => format === 'nm')!;
  assert.equal([nm.name, nm.values, nm.indices, nm.fill], ['nm 2:4', 2 * fc1.weights, fc1.weights, 1]);
  assert.equal([fc2.packed, fc2.smallest, fc2.smallestBytes], [[], 'dense', fc2.dense]);
});

test('a block of one\'s own is tried besides', () => {
  const matrix = blocky(35, 96, { block: [5, 1], sparsity: 0.8 });
  assert.is(named(only(matrix), 'bsr 5x1'), undefined);
  const [layer] = bytesOf(linear(matrix), { blocks: [{ rows: 5, cols: 1 }, { rows: 32, cols: 32 }] }).layers;
  assert.is(named(layer, 'bsr 5x1')!.fill, 1);
  assert.ok(named(layer, 'bsr 5x1')!.bytes < named(layer, 'csr')!.bytes);
  assert.ok(named(layer, 'bsr 32x32')!.bytes > named(layer, 'csr')!.bytes);
});

test('few zeros: the index costs more than it saves, dense is smallest', () => {
  const layer = only(blocky(32, 32, { block: [1, 1], sparsity: 0.05 }));
  assert.equal([layer.smallest, layer.smallestBytes, layer.byteRatio], ['dense', 4096, 1]);
  assert.ok(named(layer, 'csr')!.bytes > 4096);
});

test('a layer of zeros alone keeps its counts only', () => {
  const layer = only({ rows: 8, cols: 8, values: new Float32Array(64) });
  assert.is(layer.compressionRatio, null);
  assert.ok(layer.smallestBytes > 0 && layer.smallestBytes <= 4 * 9, `${layer.smallestBytes}`);
});

test('a weight that is packed in bands takes what it takes in one', () => {
  // 210 rows of 45000: bands of 96 rows; all of it in one packing needs the same arrays.
  const values = new Float32Array(210 * 45_000);
  for (let i = 0; i < values.length; i += 7) values[i] = 1;
  const matrix = { rows: 210, cols: 45_000, values }, layer = only(matrix);
  assert.is(named(layer, 'csr')!.bytes, packedBytes(pack('csr', matrix)));
  assert.is(layer.nonzero, values.filter((w) => w !== 0).length);
});

test('columns beyond the reach of 16 bits are split', () => {
  const matrix = blocky(1, 70_000, { block: [1, 1], sparsity: 0.99 });
  const csr = named(only(matrix), 'csr')!;
  assert.equal([csr.indexBytes, csr.bytes], [2, packedBytes(pack('csr', matrix))]);
  assert.is(csr.pointers, 2 * 2 * 4);
});

test('a network: totals are sums, the one-format totals hold every layer', () => {
  const { graph } = prune(zooGraph('resnet20-cifar'), { sparsity: 0.9 });
  const { totals, layers } = bytesOf(graph);
  const sum = (of: (layer: LayerBytes) => number): number => layers.reduce((all, layer) => all + of(layer), 0);
  assert.equal([totals.weights, totals.dense], [270_896, 4 * 270_896]);
  assert.is(totals.smallestBytes, sum((layer) => layer.smallestBytes));
  assert.is(totals.formats.csr, sum((layer) => named(layer, 'csr')!.bytes));
  assert.ok(totals.smallestBytes <= totals.formats.csr && totals.smallestBytes <= totals.formats['csr pairs']);
  // γ, β, mean and variance of 784 channels, and 10 biases.
  const normalised = graph.nodes.filter(({ op }) => op === 'BatchNormalization').map(({ inputs }) => graph.constants.get(inputs[1])!.size);
  const channels = normalised.reduce((a, b) => a + b);
  assert.is(totals.others, 4 * (4 * channels + 10));
});

test('convolutions are packed as kernels multiply by them: input channels innermost', () => {
  // Two of four input channels at every position of the window: a 2:4 pattern only in that order.
  const values = new Float32Array(8 * 4 * 9).map((_, i) => (Math.floor(i / 9) % 4 < 2 ? 1 : 0));
  const graph: Graph = {
    name: 'conv',
    inputs: [{ name: 'x', type: 'float32', dims: [1, 4, 5, 5] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, 8, 3, 3] }],
    nodes: [{ name: 'conv', op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attrs: { kernel_shape: [3, 3] } }],
    constants: new Map([['w', new Tensor('float32', values, [8, 4, 3, 3])]]),
  };
  const [layer] = bytesOf(graph).layers;
  assert.ok(named(layer, 'nm 2:4'), layer.packed.map(({ name }) => name).join());
  assert.ok(named(layer, 'bsr 1x2')!.fill === 1);
});

test('options are checked', () => {
  const graph = zooGraph('lenet-300-100');
  const wrong = (options: object): string => {
    try {
      bytesOf(graph, options);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  assert.match(wrong({ block: [] }), /one of blocks, got 'block'/);
  assert.match(wrong({ blocks: [{ rows: 0, cols: 1 }] }), /1 to 1024 rows and columns/);
  assert.match(wrong({ blocks: 'four' }), /a list of/);
});

test.run();
