import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError, type ErrorKind } from '../../src/expect.ts';
import type { Dim, Graph } from '../../src/graph/graph.ts';
import { randomFrom } from '../../src/random.ts';
import { type Feeds, SparseSession, type SessionOptions } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { near, oracle } from './nodes.ts';

/** x → Conv 3x3 → Relu → Conv 1x1, on an image of any size unless `dims` says otherwise. */
function network(dims: readonly Dim[] = [1, 4, 'H', 'W'], keep = 0.3): Graph {
  const random = randomFrom(1, 'session'), pruned = (...shape: number[]) => {
    const weight = filled(shape, shape[0]);
    weight.data.forEach((_, i) => { if (random.next() > keep) weight.data[i] = 0; });
    return weight;
  };
  return {
    name: 'small', inputs: [{ name: 'x', type: 'float32', dims }], outputs: [{ name: 'y', type: 'float32', dims: [] }],
    nodes: [
      { name: 'first', op: 'Conv', inputs: ['x', 'w1'], outputs: ['a'], attrs: { pads: [1, 1, 1, 1] } },
      { name: 'act', op: 'Relu', inputs: ['a'], outputs: ['b'], attrs: {} },
      { name: 'second', op: 'Conv', inputs: ['b', 'w2'], outputs: ['y'], attrs: {} },
    ],
    constants: new Map([['w1', pruned(16, 4, 3, 3)], ['w2', pruned(24, 16, 1, 1)]]),
  };
}

const image = (height: number, width: number, seed = 1): Record<string, Tensor> => ({ x: filled([1, 4, height, width], seed) });
const quick: SessionOptions = { tune: 'predict' };
const open = (graph: Graph = network(), options: SessionOptions = quick): Promise<SparseSession> => SparseSession.create(graph, options);

/** That `action` is refused with an error of this kind whose text matches. */
async function refused(action: () => Promise<unknown>, kind: ErrorKind, text: RegExp = /./): Promise<void> {
  let got: unknown;
  try { await action(); } catch (error) { got = error; }
  assert.ok(got instanceof BurinError, `a BurinError, got ${String(got)}`);
  assert.is(got.kind, kind, got.message);
  assert.match(got.message, text);
}

const wrongFeeds: Readonly<Record<string, readonly [unknown, ErrorKind, RegExp]>> = {
  'no feed': [{}, 'argument', /input 'x'/],
  'another name': [{ ...image(4, 4), z: filled([1], 0) }, 'argument', /'z'/],
  'another type': [{ x: new Tensor('float64', new Float64Array(64), [1, 4, 4, 4]) }, 'dtype', /float32.*float64/],
  'another rank': [{ x: filled([4, 4, 4], 0) }, 'shape', /\[1,4,H,W\].*\[4,4,4\]/],
  'other channels': [{ x: filled([1, 3, 4, 4], 0) }, 'shape', /\[1,3,4,4\]/],
  'not a tensor': [{ x: 5 }, 'argument', /a tensor/],
  'null': [{ x: null }, 'argument', /input 'x'/],
  'no feeds at all': [undefined, 'argument', /feeds/],
  'data that do not fill the shape': [{ x: { data: new Float32Array(3), dims: [1, 4, 4, 4], type: 'float32' } }, 'shape', /64/],
  'a type nobody knows': [{ x: { data: [1], dims: [1], type: 'float99' } }, 'dtype', /float99/],
  'a negative length': [{ x: { data: new Float32Array(0), dims: [1, 4, -1, 0], type: 'float32' } }, 'shape', /-1/],
};
for (const [name, [feeds, kind, text]] of Object.entries(wrongFeeds)) {
  test(`${name}: refused, and the session stays usable`, async () => {
    const session = await open();
    await refused(() => session.run(feeds as Feeds), kind, text);
    const fed = { graph: network(), feeds: image(5, 6) };
    near((await session.run(fed.feeds)).y, oracle(fed).y, 'afterwards');
    session.release();
  });
}

const wrongOptions: readonly (readonly [Record<string, unknown>, ErrorKind, RegExp])[] = [
  [{ executionProviders: ['webnn'] }, 'argument', /wasm, .*webnn/],
  [{ executionProviders: [] }, 'argument', /executionProviders/],
  [{ formats: ['coo'] }, 'argument', /csr.*coo/],
  [{ executionProvider: ['wasm'] } as never, 'argument', /executionProviders.*executionProvider/],
  [{ tuneBudgetMs: -1 }, 'argument', /tuneBudgetMs/], [{ wasm: { simd: 'avx' } } as never, 'argument', /plain, relaxed/],
  [{ wasm: { module: {} } } as never, 'argument', /WebAssembly.Module/], [{ tuning: { a: 'b' } } as never, 'argument', /tuning/],
  [{ removeDead: 'no' } as never, 'argument', /removeDead.*true or false/],
  [{ tune: 'guess' }, 'argument', /measure, predict/], [{ threads: 0 }, 'argument', /'auto' or a whole number/],
  [{ threads: 1.5 }, 'argument', /threads/],
  [{ threads: 'all' } as never, 'argument', /threads/], [{ wasm: { worker: 7 } } as never, 'argument', /worker/],
];
for (const [options, kind, text] of wrongOptions) {
  test(`the options ${JSON.stringify(options)} are refused`, () => refused(() => open(network(), options as SessionOptions), kind, text));
}

test('what is no model is refused', async () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array([1, 2, 3]), new ArrayBuffer(100)]) {
    await refused(() => SparseSession.create(bytes), 'file');
  }
  await refused(() => open({ ...network(), nodes: [...network().nodes].reverse() }), 'model');
  await refused(() => open({ ...network(), nodes: [{ ...network().nodes[0], op: 'Teleport' }] }), 'unsupported', /Teleport/);
});

test('option shapes names inputs', () => refused(() => open(network(), { shapes: { zz: [1] } }), 'argument', /x.*zz/));

test('free dimensions need a shape before the run', async () => {
  const session = await open();
  await refused(() => session.prepare(), 'shape', /H, W/);
  await refused(() => session.prepare({ q: [1] }), 'argument', /'q'/);
  assert.ok((await session.prepare({ x: [1, 4, 8, 8] })).length >= 2);
  session.release();
});

test('a released session says so, and may be released again', async () => {
  const session = await open();
  await session.run(image(4, 4));
  session.release();
  session.release();
  session.dispose();
  await refused(() => session.run(image(4, 4)), 'state', /released/);
  await refused(() => session.prepare({ x: [1, 4, 4, 4] }), 'state');
  await refused(() => session.profile(image(4, 4)), 'state');
  await refused(async () => session.memory(), 'state');
});

test('after a run that failed the next one is right', async () => {
  const graph: Graph = {
    name: 'gather',
    inputs: [{ name: 'x', type: 'float32', dims: [5] }, { name: 'i', type: 'int64', dims: [2] }],
    outputs: [{ name: 'y', type: 'float32', dims: [2] }],
    nodes: [
      { name: 'twice', op: 'Add', inputs: ['x', 'x'], outputs: ['a'], attrs: {} },
      { name: 'pick', op: 'Gather', inputs: ['a', 'i'], outputs: ['y'], attrs: {} },
    ],
    constants: new Map(),
  };
  const session = await open(graph), x = new Tensor('float32', [1, 2, 3, 4, 5]);
  await refused(() => session.run({ x, i: new Tensor('int64', [0, 9]) }), 'model', /pick/);
  assert.equal(Array.from((await session.run({ x, i: new Tensor('int64', [0, 4]) })).y.data as Float32Array), [2, 10]);
  session.release();
});

test('sessions side by side do not see each other', async () => {
  const [a, b] = [network(), network([1, 4, 6, 7], 0.9)];
  const [one, two] = await Promise.all([open(a), open(b)]);
  const [ya, yb, yc] = await Promise.all([one.run(image(6, 7)), two.run(image(6, 7, 2)), one.run(image(3, 3, 3))]);
  near(ya.y, oracle({ graph: a, feeds: image(6, 7) }).y, 'a');
  near(yb.y, oracle({ graph: b, feeds: image(6, 7, 2) }).y, 'b');
  one.release();
  near((await two.run(image(6, 7, 2))).y, yb.y, 'b again', 0);
  near(yc.y, oracle({ graph: a, feeds: image(3, 3, 3) }).y, 'c');
  two.release();
});

test('four plans are kept, the one used longest ago goes first, and nothing leaks', async () => {
  let plans = 0;
  const session = await open(network(), { ...quick, onProgress: ({ done }) => { if (done === 1) plans++; } });
  const expected = new Map<number, Tensor>();
  const visit = async (size: number, made: number): Promise<number> => {
    const { y } = await session.run(image(size, size + 1));
    near(y, expected.get(size) ?? oracle({ graph: network(), feeds: image(size, size + 1) }).y, `${size}`);
    expected.set(size, y);
    assert.is(plans, made, `plans made after ${size}`);
    return session.memory().usedBytes;
  };
  for (const [i, size] of [4, 5, 6, 7].entries()) await visit(size, i + 1);
  const full = await visit(4, 4);
  await visit(9, 5); // 5 goes, not 4
  await visit(4, 5);
  await visit(5, 6); // 6 goes
  await visit(7, 6);
  await visit(6, 7); // 9 goes
  assert.is(await visit(4, 7), full, 'bytes in use with the same four plans');
  session.release();
});

test('prepare and run share one plan', async () => {
  let plans = 0;
  const session = await open(network([1, 4, 8, 8]), { ...quick, onProgress: ({ done }) => { if (done === 1) plans++; } });
  const layers = await session.prepare();
  await session.run(image(8, 8));
  assert.is(plans, 1);
  assert.equal(layers.map(({ name }) => name).includes('second'), true);
  session.release();
});

test('a hundred sessions use as many bytes as the first, and running costs none', async () => {
  const used = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const session = await open(network(undefined, 0.3), quick);
    await session.run(image(8, 8));
    const before = session.memory();
    for (let n = 0; n < 3; n++) await session.run(image(8, 8, n));
    assert.equal(session.memory(), before);
    used.add(before.usedBytes);
    session.release();
  }
  assert.is(used.size, 1, [...used].join());
});

test('outputs belong to the caller', async () => {
  const graph: Graph = {
    ...network([1, 4, 4, 4]),
    outputs: [
      { name: 'y', type: 'float32', dims: [] },
      { name: 'w2', type: 'float32', dims: [] },
      { name: 'x', type: 'float32', dims: [] },
    ],
  };
  const session = await open(graph), first = await session.run(image(4, 4));
  const kept = Object.fromEntries(Object.entries(first).map(([name, { data }]) => [name, data.slice()]));
  for (const { data } of Object.values(first)) (data as Float32Array).fill(99);
  for (const [name, { data }] of Object.entries(await session.run(image(4, 4)))) assert.equal(data, kept[name], name);
  session.release();
});

test('what was measured serves the next session, which then gives the same bits', async () => {
  const options: SessionOptions = { tune: 'measure', tuning: {} };
  const first = await open(network(), options), feeds = image(16, 16);
  const [a, again] = [await first.run(feeds), await first.run(feeds)];
  assert.equal(a, again, 'two runs');
  const table = first.tuning();
  assert.ok(Object.keys(table).length > 4 && Object.values(table).every((ms) => ms > 0), JSON.stringify(table));
  const second = await open(network(), { ...options, tuning: JSON.parse(JSON.stringify(table)) });
  assert.equal(await second.run(feeds), a, 'two sessions');
  assert.equal(second.tuning(), table);
  const chosen = async (session: SparseSession) => (await session.prepare({ x: [1, 4, 16, 16] })).map(({ kernel }) => kernel);
  assert.equal(await chosen(second), await chosen(first));
  first.release();
  second.release();
});

test('a layer that lost dead channels runs smaller and is described as it was given', async () => {
  const graph = network([1, 4, 6, 7], 0.9), weight = graph.constants.get('w1')!.data as Float32Array;
  weight.fill(0, 0, 8 * 36);
  const fed = { graph, feeds: image(6, 7) }, size = 16 * 36, nnz = weight.filter((w) => w !== 0).length;
  for (const removeDead of [true, false]) {
    const session = await open(graph, { ...quick, removeDead });
    near((await session.run(fed.feeds)).y, oracle(fed).y, `${removeDead}`);
    const [first] = await session.prepare();
    assert.equal([first.shape, first.size, first.nnz, first.macs], [[1, 16, 6, 7], size, nnz, size * 42]);
    assert.equal(first.narrowed, removeDead ? { shape: [1, 8, 6, 7], size: size / 2, nnz, macs: size * 21 } : undefined);
    session.release();
  }
});

test('profile times the whole and every layer', async () => {
  const session = await open(), { totalMs, layerMs } = await session.profile(image(8, 8), { samples: 3 });
  assert.is(totalMs.length, 3);
  assert.equal(layerMs.map((list) => list.length), (await session.prepare({ x: [1, 4, 8, 8] })).map(() => 3));
  assert.ok([...totalMs, ...layerMs.flat()].every((ms) => ms >= 0));
  session.release();
});

const broken = { wasm: { module: new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])) } }; // a module, but not ours
test('a provider that does not start gives way to the next', async () => {
  const session = await open(network(), { ...quick, ...broken });
  assert.is(session.environment().simd, 'none');
  const fed = { graph: network(), feeds: image(4, 5) };
  near((await session.run(fed.feeds)).y, oracle(fed).y, 'reference');
  session.release();
  await refused(() => open(network(), { ...quick, ...broken, executionProviders: ['wasm'] }), 'device', /wasm:/);
});

test('names and metadata are the graph’s own', async () => {
  const session = await open();
  assert.equal([session.inputNames, session.outputNames], [['x'], ['y']]);
  assert.equal(session.inputMetadata, network().inputs);
  assert.is(session.outputMetadata[0].name, 'y');
  session.release();
});

test.run();
