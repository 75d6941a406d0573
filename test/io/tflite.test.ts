import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { BurinError } from '../../src/expect.ts';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { sinkTransposes } from '../../src/graph/passes/transposes.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { operatorNames } from '../../src/io/tflite/schema.ts';
import { sizeOf, Tensor } from '../../src/tensor.ts';
import { root } from '../root.ts';
import { noShared, shared } from '../shared.ts';
import { bytesOf, type Cells, type Made, made, makeTflite, type MadeOperator } from './tflite-file.ts';

const detector = (name: string): Uint8Array => readFileSync(`${root}/node_modules/@mediapipe/face_detection/${name}.tflite`);
const names = ['face_detection_short_range', 'face_detection_full_range', 'face_detection_full_range_sparse'];
const transposes = (graph: Graph): number => graph.nodes.filter(({ op }) => op === 'Transpose').length;
const sunk = (graph: Graph): Graph => {
  const { graph: fixed, types } = specialize(graph);
  return sinkTransposes(fixed, types);
};
const sine = (graph: Graph): Record<string, Tensor> => {
  const [{ name, dims }] = graph.inputs;
  return {
    [name]: new Tensor('float32', Float32Array.from({ length: sizeOf(dims as number[]) }, (_, i) => Math.sin(0.37 * i)), dims as number[]),
  };
};

test('the face detectors keep a Transpose only at the input and before the last Reshapes', () => {
  for (const [name, before, after] of [[names[0], 80, 5], [names[1], 192, 2], [names[2], 192, 2]] as const) {
    const graph = readTflite(detector(name));
    assert.is(transposes(graph), before, name);
    const flat = sunk(graph);
    assert.is(transposes(flat), after, name);
    for (const node of flat.nodes.filter(({ op }) => op === 'Transpose')) {
      const readers = flat.nodes.filter(({ inputs }) => inputs.includes(node.outputs[0]));
      assert.ok(node.inputs[0] === graph.inputs[0].name || readers.every(({ op }) => op === 'Reshape'), `${name}: ${node.name}`);
    }
  }
});

for (const name of names.slice(1)) {
  const golden = shared(`data/tflite/${name}.json`);
  if (!golden) { noShared(name); continue; }
  test(`${name} gives what LiteRT gives`, () => {
    const graph = readTflite(detector(name));
    const { outputs } = JSON.parse(readFileSync(golden, 'utf8')) as { outputs: { name: string; shape: number[]; file: string }[] };
    for (const g of [graph, sunk(graph)]) {
      const results = evaluate(g, sine(graph));
      for (const output of outputs) {
        const want = new Float32Array(new Uint8Array(readFileSync(shared(`data/tflite/${output.file}`)!)).buffer);
        const got = results[output.name];
        assert.equal(got.dims, output.shape);
        const worst = want.reduce((max, v, i) => Math.max(max, Math.abs(v - Number(got.data[i])) / (1e-3 + 1e-3 * Math.abs(v))), 0);
        assert.ok(worst <= 1, `${output.name}: ${worst} of the tolerance`);
      }
    }
  });
}

test('face_detection_short_range gives the same with and without its transposes', () => {
  const graph = readTflite(detector(names[0]));
  assert.equal(evaluate(sunk(graph), sine(graph)), evaluate(graph, sine(graph)));
});

test('the pruned detector has 46 pruned tensors with 70 % zeros, the dense one none', () => {
  const pruned = (name: string) => [...readTflite(detector(name)).constants.values()].filter(({ dims }) => dims.length === 4)
    .map(({ data, size }) => Array.from(data as Float32Array).filter((v) => v === 0).length / size).filter((zeros) => zeros > 0.3);
  const zeros = pruned(names[2]);
  assert.is(zeros.length, 46);
  assert.ok(zeros.every((part) => Math.abs(part - 0.7) < 0.01), zeros.join(' '));
  assert.is(pruned(names[1]).length, 0);
});

test('layers carry the names of the file, each once', () => {
  for (const name of names) {
    const { nodes } = readTflite(detector(name));
    assert.is(new Set(nodes.map((node) => node.name)).size, nodes.length);
  }
  assert.ok(readTflite(detector(names[1])).nodes.some(({ name, op }) => name === 'conv2d_1' && op === 'Conv'));
  assert.is(readTflite(detector(names[1]), { name: 'face' }).name, 'face');
});

const code = (name: string): number => operatorNames.indexOf(name);
const input: Made = { name: 'x', dims: [1, 4] };
const output: Made = { name: 'y', dims: [1, 4] };
const one = (tensors: Made[], operator: Omit<MadeOperator, 'outputs'>): Uint8Array =>
  makeTflite({
    tensors: [...tensors, output], inputs: [0], outputs: [tensors.length], operators: [{ ...operator, outputs: [tensors.length] }],
  });
const refuses = (bytes: Uint8Array, kind: string, message: RegExp): void =>
  assert.throws(() => readTflite(bytes), (e: unknown) => e instanceof BurinError && e.kind === kind && message.test(e.message));

test('a quantised network is refused by the name of its tensor', () => {
  const quantization: Cells = { 2: { floats: [0.5] }, 3: { longs: [3] } };
  const weights: Made = { name: 'dense/weights', dims: [4, 4], type: 'int8', data: new Int8Array(16), quantization };
  refuses(
    one([input, weights], { code: code('FULLY_CONNECTED'), inputs: [0, 1] }), 'unsupported',
    /operator 0 \(FULLY_CONNECTED\).*'dense\/weights'.*float32 or float16/,
  );
  refuses(
    one([{ ...input, type: 'int8', quantization }], { code: code('RELU'), inputs: [0] }),
    'unsupported', /graph inputs.*quantised tensor 'x'/,
  );
});

test('quantised constants behind DEQUANTIZE become real numbers, one scale or one a channel', () => {
  const run = (quantization: Cells): Tensor => {
    const tensors: Made[] = [
      input,
      { name: 'q', dims: [2, 4], type: 'int8', data: Int8Array.of(1, 2, 3, 4, 5, 6, 7, 8), quantization },
      { name: 'real', dims: [2, 4] },
      { name: 'y', dims: [1, 2] },
    ];
    const file = makeTflite({
      tensors,
      inputs: [0],
      outputs: [3],
      operators: [{ code: code('DEQUANTIZE'), inputs: [1], outputs: [2] }, { code: code('FULLY_CONNECTED'), inputs: [0, 2], outputs: [3] }],
    });
    return evaluate(readTflite(file), { x: new Tensor('float32', [1, 0, 0, 1], [1, 4]) }).y;
  };
  assert.equal(run({ 2: { floats: [0.5] }, 3: { longs: [1] } }).data, Float32Array.of(1.5, 5.5));
  assert.equal(run({ 2: { floats: [2, 3] }, 3: { longs: [0, 1] }, 6: { int: 0 } }).data, Float32Array.of(10, 33));
});

test('float16 weights and sparse float16 weights are read at full width', () => {
  const sparsity: Cells = {
    0: { ints: [0, 1] },
    2: {
      tables: [
        { 0: { byte: 0 }, 1: { int: 2 } },
        {
          0: { byte: 1 },
          2: { ubyte: 2 },
          3: { table: { 0: { ushorts: [0, 1, 2] } } },
          4: { ubyte: 3 },
          5: { table: { 0: { bytes: Uint8Array.of(3, 0) } } },
        },
      ],
    },
  };
  const half = { name: 'w', dims: [2, 4], half: true, data: Uint16Array.of(0x3c00, 0xc100), sparsity };
  const tensors: Made[] = [input, half, { name: 'dense', dims: [2, 4] }, { name: 'real', dims: [2, 4] }, { name: 'y', dims: [1, 2] }];
  const graph = readTflite(makeTflite({
    tensors, inputs: [0], outputs: [4],
    operators: [
      { code: code('DENSIFY'), inputs: [1], outputs: [2] },
      { code: code('DEQUANTIZE'), inputs: [2], outputs: [3] },
      { code: code('FULLY_CONNECTED'), inputs: [0, 3], outputs: [4] },
    ],
  }));
  assert.equal(Array.from(graph.constants.get('w')!.data as Float32Array), [0, 0, 0, 1, -2.5, 0, 0, 0]);
  assert.is(graph.nodes.length, 1);
});

test('a dimension of -1 in the signature is free', () => {
  const tensors: Made[] = [
    { name: 'x', dims: [1, 5, 5, 2], signature: [-1, 5, 5, 2] },
    made('w', new Tensor('float32', new Float32Array(24).fill(1), [3, 2, 2, 2])),
    { name: 'y', dims: [1, 3, 3, 3], signature: [-1, 3, 3, 3] },
  ];
  const graph = readTflite(makeTflite({
    tensors,
    inputs: [0],
    outputs: [2],
    operators: [{ code: code('CONV_2D'), inputs: [0, 1], outputs: [2], options: { 1: { int: 2 }, 2: { int: 2 } } }],
  }));
  assert.equal(graph.inputs[0].dims, ['x_dim0', 5, 5, 2]);
  assert.equal(evaluate(graph, { x: new Tensor('float32', new Float32Array(150).fill(1), [3, 5, 5, 2]) }).y.dims, [3, 3, 3, 3]);
});

test('what is not supported or not a file says so', () => {
  refuses(one([input], { code: code('TOPK_V2'), inputs: [0] }), 'unsupported', /operator 0 \(TOPK_V2\): needs one of CONV_2D.*got TOPK_V2/);
  refuses(one([input], { code: code('QUANTIZE'), inputs: [0] }), 'unsupported', /QUANTIZE/);
  refuses(
    one([input], { code: code('CUSTOM'), custom: 'MaxPoolingWithArgmax2D', inputs: [0] }), 'unsupported',
    /operator 0 \(CUSTOM 'MaxPoolingWithArgmax2D'\).*CUSTOM 'Convolution2DTransposeBias'/,
  );
  refuses(one([input], { code: 200, inputs: [0] }), 'unsupported', /operator code 200/);
  refuses(one([input], { code: code('RELU'), inputs: [7] }), 'file', /a tensor below 2/);
  refuses(
    one([input, { name: 'late', dims: [1, 4] }], { code: code('RELU'), inputs: [1] }),
    'file', /'late': needs data or an operator before/,
  );
  const file = { tensors: [input], inputs: [0], outputs: [0], operators: [] };
  refuses(makeTflite({ ...file, version: 2 }), 'file', /schema version 3, got 2/);
  refuses(makeTflite({ ...file, identifier: 'TFL2' }), 'file', /'TFL3'/);
  refuses(new Uint8Array(0), 'file', /TFL3/);
  refuses(bytesOf(Float32Array.of(1, 2, 3)), 'file', /TFL3/);
});

test('absurd sizes are refused before anything is allocated', () => {
  const sparsity: Cells = { 0: { ints: [0, 1] }, 2: { tables: [{ 1: { int: 50000 } }, { 1: { int: 50000 } }] } };
  const huge: Made = { name: 'w', dims: [50000, 50000], data: new Float32Array(4), sparsity };
  refuses(one([input, huge], { code: code('FULLY_CONNECTED'), inputs: [0, 1] }), 'limit', /'w' \[50000,50000\]/);
});

/** Damages a file and sees that it is read or refused, never worse. */
function survives(bytes: Uint8Array): void {
  try {
    readTflite(bytes);
  } catch (error) {
    assert.ok(error instanceof BurinError, String((error as Error).stack));
  }
}

test('damaged files give a graph or an error with a place, soon', () => {
  const whole = detector(names[0]);
  const sparse = detector(names[2]);
  const started = performance.now();
  const damage = fc.record({
    sparse: fc.boolean(), cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    flips: fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 20 },
    ),
  });
  fc.assert(fc.property(damage, ({ sparse: isSparse, cut, flips }) => {
    const source = isSparse ? sparse : whole;
    const bytes = new Uint8Array(source.subarray(0, cut === null ? source.length : Math.floor(cut * source.length)));
    // Structure lies at the end of these files and in small parts; half of the flips aim there.
    for (const [where, value] of flips) {
      bytes[Math.floor(value % 2 ? bytes.length - 1 - where * Math.min(40000, bytes.length - 1) : where * (bytes.length - 1))] = value;
    }
    survives(bytes);
  }), { numRuns: 150 });
  assert.ok(performance.now() - started < 30_000);
});

test('a small file survives every byte being anything', () => {
  const small = one(
    [input, made('w', new Tensor('float32', new Float32Array(16), [4, 4]))],
    { code: code('FULLY_CONNECTED'), inputs: [0, 1], options: { 0: { byte: 1 } } },
  );
  for (let at = 0; at < small.length; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff, small[at] ^ 1, small[at] + 4]) {
      const bytes = new Uint8Array(small);
      bytes[at] = value;
      survives(bytes);
    }
    survives(small.subarray(0, at));
  }
});

test.run();
