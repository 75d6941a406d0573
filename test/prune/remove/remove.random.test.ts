import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../../src/graph/evaluate.ts';
import { optimize } from '../../../src/graph/passes/index.ts';
import { readOnnx, writeOnnx } from '../../../src/io/onnx/index.ts';
import { channelGroups, pruneChannels, removeChannels } from '../../../src/prune/index.ts';
import { drawn, network } from './networks.ts';
import { distance, feedsOf, removed } from './removing.ts';

// What is removed computes what is masked, for any network.

for (const borders of ['auto', 'none'] as const) {
  test(`removed is masked for any network of these steps, borders ${borders}`, () => {
    let smaller = 0;
    fc.assert(fc.property(drawn, (choice) => {
      smaller += Math.sign(removed(network(choice), { borders }).report.removed.length);
    }), { numRuns: 400, seed: 7 });
    assert.ok(smaller > 300, `${smaller} of 400`);
  });
}

test('with a free batch, for which no image is added, and written and read again', () => {
  let smaller = 0;
  fc.assert(fc.property(drawn, (choice) => {
    const fixed = network(choice), inputs = fixed.inputs.map((info) => ({ ...info, dims: ['N', ...info.dims.slice(1)] }));
    const graph = { ...fixed, inputs }, small = removeChannels(graph), again = readOnnx(writeOnnx(small.graph)), feeds = feedsOf(fixed);
    assert.ok(small.report.open && small.report.borders.length === 0);
    const off = distance(evaluate(again, feeds), evaluate(graph, feeds));
    assert.ok(off <= 1e-4, `${off} off`);
    smaller += Math.sign(small.report.removed.length);
  }), { numRuns: 200, seed: 12 });
  assert.ok(smaller > 130, `${smaller} of 200`);
});

test('and the optimiser agrees', () => {
  fc.assert(fc.property(drawn, (choice) => {
    const graph = network(choice), fixed = specialize(graph), feeds = feedsOf(graph);
    const off = distance(evaluate(optimize(fixed.graph, fixed.types).graph, feeds), evaluate(graph, feeds));
    assert.ok(off <= 1e-4, `${off} off`);
  }), { numRuns: 300, seed: 8 });
});

test('channels pruned by coupled sets go as well, and the groups are a partition of all channels', () => {
  let fewer = 0;
  fc.assert(fc.property(drawn, fc.integer({ min: 1, max: 9 }), (choice, tenths) => {
    const graph = network(choice), counted = new Map<string, Uint8Array>();
    for (const { sets, items } of channelGroups(graph)) {
      for (const { node: name, side, value, setOf } of items) {
        const key = `${name} ${side} ${value}`, seen = counted.get(key) ?? new Uint8Array(setOf.length);
        setOf.forEach((set, c) => { if (set >= 0) seen[c]++; });
        counted.set(key, seen);
        assert.ok(setOf.every((set) => set >= -1 && set < sets));
      }
    }
    for (const [key, seen] of counted) assert.ok(seen.every((times) => times === 1), key);
    const pruned = pruneChannels(graph, { sparsity: tenths / 10 });
    fewer += Math.sign(removed(pruned.graph).report.removed.length);
  }), { numRuns: 150, seed: 9 });
  assert.ok(fewer > 100, `${fewer} of 150`);
});

test.run();
