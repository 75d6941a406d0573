import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, SparseTensorProtoSchema, TensorProto_DataType as Kind, TensorProtoSchema } from 'onnx-buf';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import { evaluate } from '../../src/graph/evaluate.ts';
import { readOnnx, readTensorProto, writeTensorProto } from '../../src/io/onnx/index.ts';
import { tensorProto } from '../../src/io/onnx/tensor.ts';
import { Tensor, type TensorData } from '../../src/tensor.ts';
import { float, modelBytes, wave, type ModelSpec } from './onnx-model.ts';

const x = new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]);
const run = (spec: ModelSpec, feeds: Record<string, Tensor> = { x }) => evaluate(readOnnx(modelBytes(spec)), feeds).y;
const vector = (...values: number[]) => new Tensor('float32', values);
const relu = { op: 'Relu', inputs: ['x'] };

function failure(make: () => unknown): BurinError {
  try {
    make();
  } catch (error) {
    if (error instanceof BurinError) return error;
    throw error;
  }
  return assert.unreachable('nothing was thrown') as never;
}

function fails(kind: ErrorKind, words: RegExp, make: () => unknown): void {
  const error = failure(make);
  assert.match(error.message, words);
  assert.is(error.kind, kind, error.message);
}

test('opset 1: a second operand laid along the channels', () => {
  const inputs = { x: [2, 3, 1, 2] };
  const feeds = { x: wave([2, 3, 1, 2]) };
  const attrs = { broadcast: 1, axis: 1 };
  const constant = run({ opset: 6, inputs, constants: { b: vector(10, 20, 30) }, nodes: [{ op: 'Add', inputs: ['x', 'b'], attrs }] },
    feeds);
  const computed = run({
    opset: 6, inputs: { ...inputs, b: [3] }, nodes: [{ op: 'Add', inputs: ['x', 'b'], attrs }],
  }, { ...feeds, b: vector(10, 20, 30) });
  const expected = Float32Array.from(feeds.x.data as Float32Array, (v, i) => v + 10 * (1 + (Math.floor(i / 2) % 3)));
  assert.equal(constant.data, expected);
  assert.equal(computed.data, expected);
});

test('opset 1: attributes that became inputs, hints that went', () => {
  const reshaped = run({ opset: 1, nodes: [{ op: 'Reshape', inputs: ['x'], attrs: { shape: [3, 2], consumed_inputs: [0] } }] });
  assert.equal(reshaped.dims, [3, 2]);
  const padded = run({ opset: 1, nodes: [{ op: 'Pad', inputs: ['x'], attrs: { paddings: [0, 1, 0, 0], value: float(7) } }] });
  assert.equal([...padded.data], [7, 1, 2, 3, 7, 4, 5, 6]);
  const joined = run({ opset: 1, nodes: [{ op: 'Concat', inputs: ['x', 'x'] }] });
  assert.equal(joined.dims, [2, 6]);
  const graph = readOnnx(modelBytes({ opset: 1, nodes: [{ op: 'Cast', inputs: ['x'], attrs: { to: 'INT32' } }] }));
  assert.is(graph.nodes[0].attrs.to, Kind.INT32);
});

test('opset 1: Upsample by height and width, PRelu by channel, Gemm with broadcast', () => {
  const image = { x: new Tensor('float32', [1, 2], [1, 1, 1, 2]) };
  const attrs = { height_scale: float(2), width_scale: float(2), mode: 'nearest' };
  const larger = run({ opset: 1, inputs: { x: [1, 1, 1, 2] }, nodes: [{ op: 'Upsample', inputs: ['x'], attrs }] }, image);
  assert.equal([...larger.data], [1, 1, 2, 2, 1, 1, 2, 2]);
  const planes = { x: new Tensor('float32', [-1, -2, -3, -4], [1, 2, 1, 2]) };
  const leaky = { opset: 6, inputs: { x: [1, 2, 1, 2] }, constants: { s: vector(0.5, 2) }, nodes: [{ op: 'PRelu', inputs: ['x', 's'] }] };
  assert.equal([...run(leaky, planes).data], [-0.5, -1, -6, -8]);
  const product = { opset: 6, constants: { w: new Tensor('float32', [1, 0, 1], [3, 1]), c: vector(1) },
    nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'c'], attrs: { broadcast: 1 } }] };
  assert.equal([...run(product).data], [5, 11]);
});

test('constants in every form', () => {
  const forms = {
    value: vector(1, 2, 3), value_float: float(2), value_floats: { type: 6, floats: [1, 2, 3] } as never, value_int: 5, value_ints: [4, 5],
  };
  const expected = { value: [1, 2, 3], value_float: [2], value_floats: [1, 2, 3], value_int: [5n], value_ints: [4n, 5n] };
  for (const [attr, value] of Object.entries(forms)) {
    const { constants, nodes } = readOnnx(modelBytes({ opset: 13, outputs: ['c'],
      nodes: [{ op: 'Constant', inputs: [], outputs: ['c'], attrs: { [attr]: value } }] }));
    assert.equal([...constants.get('c')!.data], expected[attr as keyof typeof expected], attr);
    assert.is(nodes.length, 0);
    const scalar = attr === 'value_float' || attr === 'value_int';
    assert.equal(constants.get('c')!.dims, scalar ? [] : [expected[attr as keyof typeof expected].length]);
  }
  const strings = { op: 'Constant', inputs: [], outputs: ['c'], attrs: { value_string: 'no' } };
  fails('unsupported', /Constant_0.*numbers.*value_string/, () => readOnnx(modelBytes({ opset: 13, outputs: ['c'], nodes: [strings] })));
});

const le = (data: TensorData) => new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x8000, 0x3555);
const halfValues = [1, -2, 2 ** -24, Infinity, -0, 0.333251953125];
const typed = [
  { dataType: Kind.FLOAT, data: Float32Array.of(1.5, -2), field: { floatData: [1.5, -2] }, type: 'float32', values: [1.5, -2] },
  { dataType: Kind.FLOAT16, data: halves, field: { int32Data: [...halves] }, type: 'float32', values: halfValues },
  { dataType: Kind.BFLOAT16, data: Uint16Array.of(0x3f80, 0xc040), field: { int32Data: [0x3f80, 0xc040] }, type: 'float32',
    values: [1, -3] },
  { dataType: Kind.DOUBLE, data: Float64Array.of(0.5, 1e-3), field: { doubleData: [0.5, 1e-3] }, type: 'float32',
    values: [0.5, Math.fround(1e-3)] },
  { dataType: Kind.INT8, data: Int8Array.of(-1, 7), field: { int32Data: [-1, 7] }, type: 'int8', values: [-1, 7] },
  { dataType: Kind.UINT8, data: Uint8Array.of(200, 7), field: { int32Data: [200, 7] }, type: 'uint8', values: [200, 7] },
  { dataType: Kind.INT16, data: Int16Array.of(-300, 7), field: { int32Data: [-300, 7] }, type: 'int16', values: [-300, 7] },
  { dataType: Kind.UINT16, data: Uint16Array.of(60000, 7), field: { int32Data: [60000, 7] }, type: 'uint16', values: [60000, 7] },
  { dataType: Kind.INT32, data: Int32Array.of(-70000, 7), field: { int32Data: [-70000, 7] }, type: 'int32', values: [-70000, 7] },
  { dataType: Kind.UINT32, data: Uint32Array.of(2 ** 31, 7), field: { uint64Data: [2n ** 31n, 7n] }, type: 'uint32', values: [2 ** 31, 7] },
  { dataType: Kind.INT64, data: BigInt64Array.of(-5n, 7n), field: { int64Data: [-5n, 7n] }, type: 'int64', values: [-5n, 7n] },
  { dataType: Kind.UINT64, data: BigUint64Array.of(2n ** 63n, 7n), field: { uint64Data: [2n ** 63n, 7n] }, type: 'uint64',
    values: [2n ** 63n, 7n] },
  { dataType: Kind.BOOL, data: Uint8Array.of(2, 0), field: { int32Data: [2, 0] }, type: 'bool', values: [1, 0] },
];

for (const { dataType, data, field, type, values } of typed) {
  test(`tensors of ${Kind[dataType]}, raw and typed`, () => {
    for (const stored of [{ rawData: le(data).slice() }, field]) {
      const tensor = readTensorProto(toBinary(TensorProtoSchema,
        create(TensorProtoSchema, { dataType, dims: [BigInt(values.length)], ...stored })));
      assert.is(tensor.type, type);
      assert.equal([...tensor.data], values);
    }
  });
}

test('tensors are written and read back', () => {
  for (const tensor of [wave([2, 3]), new Tensor('int64', [1, -2]), new Tensor('bool', [1, 0, 1]), new Tensor('float32', [3], []),
    new Tensor('int8', [], [0, 4])]) {
    const back = readTensorProto(writeTensorProto(tensor, 't'));
    assert.equal([back.type, [...back.dims], [...back.data]], [tensor.type, [...tensor.dims], [...tensor.data]]);
  }
});

test('tensors that are not what they claim', () => {
  const proto = (init: object) => () => readTensorProto(toBinary(TensorProtoSchema,
    create(TensorProtoSchema, { dataType: Kind.FLOAT, name: 'w', ...init })));
  fails('file', /'w' \[2,3\].*24 bytes, got 8/, proto({ dims: [2n, 3n], rawData: new Uint8Array(8) }));
  fails('file', /4294967296 elements, got 0/, proto({ dims: [2n ** 16n, 2n ** 16n] }));
  fails('file', /at most 2\^32 elements/, proto({ dims: [2n ** 40n, 2n ** 40n], rawData: new Uint8Array(8) }));
  fails('file', /0 or more.*-1/, proto({ dims: [-1n], rawData: new Uint8Array(4) }));
  fails('file', /2 elements, got 1/, proto({ dims: [2n], floatData: [1] }));
  fails('unsupported', /FLOAT16.*got STRING/, proto({ dims: [1n], dataType: Kind.STRING, stringData: [new Uint8Array(1)] }));
  fails('unsupported', /got type 99/, proto({ dims: [1n], dataType: 99, rawData: new Uint8Array(4) }));
  fails('unsupported', /segment/, proto({ dims: [1n], rawData: new Uint8Array(4), segment: { begin: 0n, end: 1n } }));
});

const sparse = (dims: bigint[], values: Tensor, indices: Tensor) =>
  create(SparseTensorProtoSchema, { dims, values: tensorProto(values, 'w'), indices: tensorProto(indices, 'w_indices') });
const withSparse = (weight: ReturnType<typeof sparse>) => () =>
  readOnnx(modelBytes({ opset: 13, nodes: [{ op: 'Mul', inputs: ['x', 'w'] }],
    graph: { sparseInitializer: [weight] } })).constants.get('w')!;

test('sparse initializers, linear and by coordinates', () => {
  const linear = withSparse(sparse([2n, 3n], vector(7, 8), new Tensor('int64', [1, 5])))();
  const coordinates = withSparse(sparse([2n, 3n], vector(7, 8), new Tensor('int64', [0, 1, 1, 2], [2, 2])))();
  for (const tensor of [linear, coordinates]) {
    assert.equal(tensor.dims, [2, 3]);
    assert.equal([...tensor.data], [0, 7, 0, 0, 0, 8]);
  }
  assert.equal([...withSparse(sparse([3n], vector(), new Tensor('int64', [])))().data], [0, 0, 0]);
});

test('sparse initializers that are not what they claim', () => {
  const at = (...indices: number[]) => new Tensor('int64', indices);
  fails('file', /index 1.*0 to 5, got 6/, withSparse(sparse([2n, 3n], vector(7, 8), at(1, 6))));
  fails('file', /index 0.*got -1/, withSparse(sparse([2n, 3n], vector(7, 8), at(-1, 5))));
  fails('file', /ascending positions, got 1 after 1/, withSparse(sparse([2n, 3n], vector(7, 8), at(1, 1))));
  fails('file', /indices \[2\] or \[2, 2\], got \[3\]/, withSparse(sparse([2n, 3n], vector(7, 8), at(1, 2, 3))));
  fails('file', /index 1.*0 to 1, got 2/, withSparse(sparse([2n, 3n], vector(7, 8), new Tensor('int64', [0, 1, 2, 0], [2, 2]))));
  fails('limit', /at most \d+ elements/, withSparse(sparse([2n ** 14n, 2n ** 14n], vector(7), at(1))));
});

const outside = (location: string, more: { key: string; value: string }[] = []) => modelBytes({
  opset: 13, nodes: [{ op: 'Mul', inputs: ['x', 'w'] }],
  graph: { initializer: [{ name: 'w', dataType: Kind.FLOAT, dims: [3n], dataLocation: 1,
    externalData: [{ key: 'location', value: location }, ...more] }] },
});

test('sparse initializers share one limit', () => {
  const weights = ['v', 'w'].map((name) => create(SparseTensorProtoSchema, {
    dims: [2n ** 21n + 2n ** 20n], values: tensorProto(vector(1), name), indices: tensorProto(new Tensor('int64', [0]), ''),
  }));
  const read = (sparseInitializer: typeof weights) => () =>
    readOnnx(modelBytes({ opset: 13, nodes: [relu], graph: { sparseInitializer } }));
  assert.is(read(weights.slice(0, 1))().constants.get('v')!.size, 3 * 2 ** 20);
  fails('limit', /'w'.*at most \d+ elements/, read(weights));
});

test('external data, by the folder of the model alone', () => {
  const file = le(Float32Array.of(9, 1, 2, 3, 9));
  const external = (path: string) => (path === 'data/w.bin' ? file : assert.unreachable(path) as never);
  const place = [{ key: 'offset', value: '4' }, { key: 'length', value: '12' }];
  assert.equal([...readOnnx(outside('data/w.bin', place), { external }).constants.get('w')!.data], [1, 2, 3]);
  fails('unsupported', /'w'.*'data\/w.bin'.*options.external/, () => readOnnx(outside('data/w.bin', place)));
  fails('file', /12 bytes, got 20/, () => readOnnx(outside('data/w.bin'), { external }));
  fails('file', /within the 20/, () => readOnnx(outside('data/w.bin', [{ key: 'offset', value: '16' }, { key: 'length', value: '12' }]),
    { external }));
  fails('file', /within the 20/, () => readOnnx(outside('data/w.bin', [{ key: 'offset', value: '-4' }]), { external }));
  for (const path of ['/etc/hosts', '../w.bin', 'a/../../w.bin', 'a\\..\\w.bin', '\\w.bin', 'c:w.bin', 'file:w.bin', '%2e%2e/w.bin',
    '.\t./w.bin', '']) {
    fails('file', /own folder/, () => readOnnx(outside(path), { external }));
  }
});

test('names: invented, made unique, free dimensions', () => {
  const graph = readOnnx(modelBytes({
    opset: 9, inputs: { x: ['batch', 3, -1, ''] },
    nodes: [
      { op: 'Relu', inputs: ['x'], outputs: ['a'], name: 'act' }, { op: 'Relu', inputs: ['a'], outputs: ['b'], name: 'act' },
      { op: 'Relu', inputs: ['b'], outputs: ['c'] }, { op: 'Softmax', inputs: ['c'], attrs: { axis: 1 }, name: 'soft' },
    ],
  }), { name: 'net' });
  assert.is(graph.name, 'net');
  assert.equal(graph.inputs, [{ name: 'x', type: 'float32', dims: ['batch', 3, 'x_2', 'x_3'] }]);
  assert.equal(graph.nodes.map((node) => node.name), ['act', 'act_1', 'Relu_2', 'soft/Shape', 'soft/Flatten', 'soft', 'soft/Reshape']);
});

test('initializers listed as inputs are constants; nodes are put in order', () => {
  const graph = readOnnx(modelBytes({
    opset: 7, inputs: { x: [2, 3], w: [3] }, constants: { w: vector(1, 2, 3) },
    nodes: [{ op: 'Relu', inputs: ['a'] }, { op: 'Mul', inputs: ['x', 'w'], outputs: ['a'] }],
  }));
  assert.equal(graph.inputs.map((info) => info.name), ['x']);
  assert.equal(graph.nodes.map((node) => node.op), ['Mul', 'Relu']);
});

test('what is not supported says node, operator, opset and what is', () => {
  const read = (spec: Partial<ModelSpec>) => () => readOnnx(modelBytes({ opset: 13, nodes: [relu], ...spec }));
  fails('unsupported', /node 'Loop_0' \(Loop, opset 13\).*Conv,.*got 'Loop'/, read({ nodes: [{ op: 'Loop', inputs: ['x'] }] }));
  fails('unsupported', /node 'n' \(FusedConv, opset 13\).*'com.microsoft'/,
    read({ nodes: [{ op: 'FusedConv', inputs: ['x'], name: 'n', domain: 'com.microsoft' }] }));
  fails('unsupported', /opset of 1 to 25, got 99/, read({ opset: 99 }));
  fails('unsupported', /spatial 1, got 0/, read({ opset: 7,
    nodes: [{ op: 'BatchNormalization', inputs: ['x', 'x', 'x', 'x', 'x'], attrs: { spatial: 0 } }] }));
  fails('unsupported', /first output.*'mask'/, read({ outputs: ['mask'],
    nodes: [{ op: 'Dropout', inputs: ['x'], outputs: ['y', 'mask'] }] }));
  fails('unsupported', /ranks for axis of opset 6/, read({
    opset: 6, constants: { b: vector(1) },
    nodes: [{ op: 'Expand', inputs: ['x', 'x'], outputs: ['a'] }, { op: 'Add', inputs: ['a', 'b'], attrs: { broadcast: 1, axis: 0 } }],
  }));
});

test('networks that contradict themselves', () => {
  const read = (spec: Partial<ModelSpec>) => () => readOnnx(modelBytes({ opset: 13, nodes: [relu], ...spec }));
  fails('model', /cycle/, read({ nodes: [{ op: 'Relu', inputs: ['b'], outputs: ['y'] }, { op: 'Relu', inputs: ['y'], outputs: ['b'] }] }));
  fails('model', /'nowhere'/, read({ nodes: [{ op: 'Relu', inputs: ['nowhere'] }] }));
  fails('model', /'y'.*already made/, read({ nodes: [relu, relu] }));
  fails('model', /output 'z'/, read({ outputs: ['z'] }));
  fails('model', /constant 'w'.*a second one/, read({ graph: { initializer: [tensorProto(x, 'w'), tensorProto(x, 'w')] } }));
  fails('model', /Relu.*inputs/, read({ nodes: [{ op: 'Relu', inputs: ['x', 'x'] }] }));
  fails('model', /an input, got none/, read({ opset: 9, nodes: [{ op: 'Squeeze', inputs: [] }] }));
  fails('model', /attribute axes.*numbers, got 'one'/,
    read({ opset: 9, nodes: [{ op: 'Squeeze', inputs: ['x'], attrs: { axes: 'one' } }] }));
});

test('bytes that are no model', () => {
  fails('file', /graph, got none|ai.onnx, got none/, () => readOnnx(new Uint8Array()));
  const bytes = modelBytes({ opset: 13, nodes: [relu] });
  fails('file', /whole onnx.ModelProto.*cut short/, () => readOnnx(bytes.subarray(0, bytes.length - 12)));
  fails('file', /.*/, () => readOnnx(new TextEncoder().encode('{"model": "json"}')));
  fails('argument', /Uint8Array/, () => readOnnx('model.onnx' as never));
  fails('file', /a graph, got none/, () => readOnnx(toBinary(ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: 13n }] }))));
});

test.run();
