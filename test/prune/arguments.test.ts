import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as burin from '../../src/index.ts';

const graph = burin.zooGraph('lenet-300-100'), masks = burin.masksOf(graph), mask = masks.get('fc3.weight')!;
const weight = graph.constants.get('fc3.weight') as burin.Tensor<Float32Array>, start = burin.snapshot(graph);
const evidence = (numbers: unknown): burin.Evidence => ({ fc1: numbers }) as burin.Evidence;
const costs = { model: 'x', denseMs: 1, givenMs: 1, correction: 1 };
const layer = { name: 'fc1', weight: 'fc1.weight', givenMs: 1 };

/** What a caller may put in by mistake. */
const wrong: Readonly<Record<string, unknown>> = {
  'nothing': undefined, 'null': null, 'a number': 5, 'a text': 'x', 'an object': { a: 1 }, 'a list': [1], 'a Map': new Map([['a', null]]),
  'a Map of objects': new Map([['a', {}]]), 'bytes': new Uint8Array(3),
};

/** A call with something in the place of one argument, and what may stand there after all. */
type Call = readonly [call: (value: never) => unknown, fine?: readonly string[]];

const calls: Readonly<Record<string, Call>> = {
  'matchMasks, graph': [(value) => burin.matchMasks(value, masks)],
  'matchMasks, masks': [(value) => burin.matchMasks(graph, value)],
  'matchMasks, options': [(value) => burin.matchMasks(graph, masks, value), ['nothing', 'an object', 'bytes', 'a Map', 'a Map of objects']],
  'matchMasks, names': [(names) => burin.matchMasks(graph, masks, { names }), ['nothing', 'null', 'a Map', 'a Map of objects']],
  'maskReport, masks': [(value) => burin.maskReport(value)],
  'maskReport, graph': [(value) => burin.maskReport(masks, value), ['nothing']],
  'compareMasks': [(value) => burin.compareMasks(masks, value)],
  'applyMasks': [(value) => burin.applyMasks(graph, value)],
  'maskWeights': [(value) => burin.maskWeights(value, {})],
  'bytesOf': [(value) => burin.bytesOf(value)],
  'snapshot': [(value) => burin.snapshot(value)],
  'rewind, graph': [(value) => burin.rewind(value, start)],
  'rewind, snapshot': [(value) => burin.rewind(graph, value)],
  'rewind, masks': [(value) => burin.rewind(graph, start, value), ['nothing']],
  'reinitialise': [(value) => burin.reinitialise(value)],
  'fromZeros': [(value) => burin.fromZeros(value)],
  'maskFrom, values': [(value) => burin.maskFrom(value, [2])],
  'maskFrom, dims': [(value) => burin.maskFrom([1, 2], value)],
  'unpackMask': [(value) => burin.unpackMask(value)],
  'invert': [(value) => burin.invert(value)],
  'isKept': [(value) => burin.isKept(value, 0)],
  'applyMask, mask': [(value) => burin.applyMask(value, weight)],
  'applyMask, tensor': [(value) => burin.applyMask(mask, value)],
  'andMasks': [(value) => burin.andMasks(mask, value)],
  'sameMask': [(value) => burin.sameMask(value, mask)],
  'isSubset': [(value) => burin.isSubset(value, mask)],
  'readSafetensors': [(value) => burin.readSafetensors(value)],
  'writeSafetensors': [(value) => burin.writeSafetensors(value)],
  'writeSafetensors, metadata': [(value) => burin.writeSafetensors(new Map(), value), ['nothing', 'a Map', 'a Map of objects']],
  'readNpz': [(value) => burin.readNpz(value)],
  'writeNpz': [(value) => burin.writeNpz(value)],
  'readMasks': [(value) => burin.readMasks(value)],
  'writeMasks': [(value) => burin.writeMasks(value)],
  'gatherEvidence, graph': [(value) => burin.gatherEvidence(value, [])],
  'gatherEvidence, samples': [(value) => burin.gatherEvidence(graph, value)],
  'gatherEvidence, what': [(what) => burin.gatherEvidence(graph, [], { what })],
  'gatherEvidence, layers': [(layers) => burin.gatherEvidence(graph, [], { layers })],
  'evidence': [(value) => burin.prune(graph, { sparsity: 0.5, criterion: 'gradient', evidence: evidence({ gradient: value }) })],
  'coupledItems, groups': [(value) => burin.coupledItems(value, { node: 'fc1', indices: [0] })],
  'coupledItems, choice': [(value) => burin.coupledItems(burin.channelGroups(graph), value)],
  'extentsOf': [(value) => burin.extentsOf(value)],
  'costs, points': [(points) => burin.pruneToBudget(graph, {
    speedup: 2, costs: { ...costs, layers: [{ ...layer, points }] } as never,
  })],
};

async function caught(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

for (const [name, [call, fine = []]] of Object.entries(calls)) {
  test(`${name}: what does not fit is a typed error`, async () => {
    for (const [what, value] of Object.entries(wrong)) {
      const error = await caught(() => call(value as never));
      if (error === undefined && fine.includes(what)) continue;
      assert.instance(error, burin.BurinError, `${what}: ${error === undefined ? 'accepted' : String(error)}`);
    }
  });
}

test('the inputs of one run are no list of samples, and the error says what to do', async () => {
  const x = new burin.Tensor('float32', new Float32Array(784), [1, 784]);
  const error = await caught(() => burin.gatherEvidence(graph, { [graph.inputs[0].name]: x } as never)) as burin.BurinError;
  assert.match(error.message, /^samples: needs a list of inputs of runs.*; put a single one into a list: \[\{ x: … \}\]$/);
  assert.is(error.kind, 'argument');
});

test('files may come as buffers', async () => {
  const npz = burin.writeNpz(new Map([['a', weight]])), file = burin.writeSafetensors(new Map([['a', weight]]));
  assert.equal((await burin.readNpz(npz.slice().buffer as ArrayBuffer)).get('a')!.data, weight.data);
  assert.equal(burin.readSafetensors(file.slice().buffer as ArrayBuffer).tensors.get('a')!.data, weight.data);
});

test.run();
