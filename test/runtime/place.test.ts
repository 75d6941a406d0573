import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Passage } from '../../src/graph/segment.ts';
import { cheapest, fitted, type Costs, type Stretch } from '../../src/runtime/place.ts';

// The cheapest way to cut a network between devices, against all ways there are.

/** What a stretch costs by the words of its definition. */
function costOf({ device, from, to }: Stretch, devices: readonly Costs[], values: readonly Passage[]): number {
  const { nodeMs, handover } = devices[device], within = (node: number): boolean => node >= from && node < to;
  const inward = values.filter(({ made, reads }) => made < from && reads.some(within));
  const outward = values.filter(({ made, reads }) => within(made) && reads.some((node) => node >= to));
  const bytes = (list: readonly Passage[]): number => list.reduce((sum, value) => sum + value.bytes, 0);
  const own = nodeMs.slice(from, to).reduce((sum, ms) => sum + ms, 0);
  return own + handover.runMs + bytes(inward) * handover.inMs + bytes(outward) * handover.outMs;
}

const sumOf = (stretches: readonly Stretch[], devices: readonly Costs[], values: readonly Passage[]): number =>
  stretches.reduce((sum, stretch) => sum + costOf(stretch, devices, values), 0);

/** The cheapest of all devices^nodes ways. */
function bruteForce(devices: readonly Costs[], values: readonly Passage[]): number {
  const nodes = devices[0].nodeMs.length;
  let least = Infinity;
  for (let way = 0; way < devices.length ** nodes; way++) {
    const stretches: Stretch[] = [];
    for (let node = 0, rest = way; node < nodes; node++, rest = Math.floor(rest / devices.length)) {
      const device = rest % devices.length, last = stretches.at(-1);
      if (last?.device === device) stretches[stretches.length - 1] = { ...last, to: node + 1 };
      else stretches.push({ device, from: node, to: node + 1 });
    }
    least = Math.min(least, sumOf(stretches, devices, values));
  }
  return least;
}

const ms = fc.integer({ min: 0, max: 40 }).map((n) => n / 4);
const costs = (nodes: number): fc.Arbitrary<Costs> => fc.record({
  nodeMs: fc.array(ms, { minLength: nodes, maxLength: nodes }), handover: fc.record({ runMs: ms, inMs: ms, outMs: ms }),
});
const passage = (nodes: number): fc.Arbitrary<Passage> => fc.record({
  name: fc.constant('v'), made: fc.integer({ min: -1, max: nodes - 1 }), bytes: fc.integer({ min: 0, max: 4 }),
  reads: fc.uniqueArray(fc.integer({ min: 0, max: nodes }), { maxLength: 3 }),
}).map((value) => ({ ...value, reads: value.reads.filter((node) => node > value.made).sort((a, b) => a - b) }));

test('no way to cut a small network is cheaper', () => {
  const cases = fc.integer({ min: 1, max: 7 }).chain((nodes) => fc.record({
    devices: fc.array(costs(nodes), { minLength: 1, maxLength: nodes > 5 ? 2 : 3 }),
    values: fc.array(passage(nodes), { maxLength: 8 }),
  }));
  fc.assert(fc.property(cases, ({ devices, values }) => {
    const { ms: predicted, stretches } = cheapest(devices, values), nodes = devices[0].nodeMs.length;
    assert.equal([stretches[0].from, stretches.at(-1)!.to], [0, nodes]);
    stretches.slice(1).forEach(({ from, device }, i) => {
      assert.is(from, stretches[i].to);
      assert.is.not(device, stretches[i].device);
    });
    assert.ok(Math.abs(predicted - sumOf(stretches, devices, values)) < 1e-9, 'what is predicted is what the stretches cost');
    assert.ok(Math.abs(predicted - bruteForce(devices, values)) < 1e-9, 'the least');
  }), { seed: 5, numRuns: 300 });
});

/** Nodes in a row: each reads what the one before it made, of so many bytes. */
const row = (bytes: readonly number[]): Passage[] => bytes.map((size, i) => ({ name: `v${i}`, made: i - 1, reads: [i], bytes: size }));

test('a table of times: the cut falls where little passes', () => {
  const values = row([100, 100, 1, 100, 1]), handover = { runMs: 0, inMs: 0.01, outMs: 0.01 };
  const fast = { nodeMs: [9, 9, 1, 1], handover: { runMs: 0, inMs: 0, outMs: 0 } }, other = { nodeMs: [5, 5, 9, 9], handover };
  // The graph's output, v4, is read by the end; 1 ms for 100 bytes in, 0.01 for 1 byte out.
  assert.equal(cheapest([fast, other], values).stretches, [{ device: 1, from: 0, to: 2 }, { device: 0, from: 2, to: 4 }]);
  const dear = { ...other, handover: { ...handover, runMs: 8 } };
  assert.equal(cheapest([fast, dear], values).stretches, [{ device: 0, from: 0, to: 4 }], 'a run that costs more than it saves');
});

test('a long network takes no time to speak of', () => {
  const nodes = 2000, nodeMs = Array.from({ length: nodes }, (_, i) => i % 7), values = row(nodeMs);
  const handover = { runMs: 3, inMs: 0.1, outMs: 0.1 }, start = performance.now();
  cheapest([{ nodeMs, handover }, { nodeMs: nodeMs.map((own) => 6 - own), handover }], values);
  assert.ok(performance.now() - start < 5000, 'milliseconds');
});

test('times of layers are brought to add up to the whole', () => {
  assert.equal(fitted([3, 5, 0], 6), [2, 4, 0]);
  assert.equal(fitted([1, 9, 0], 4), [0, 4, 0], 'none becomes negative');
  assert.equal(fitted([1, 2], 5), [2, 3], 'what is missing is shared out');
  assert.equal(fitted([1, 2], 0), [0, 0]);
  assert.equal(fitted([0, 0], 4), [0, 0]);
  fc.assert(fc.property(fc.array(ms, { minLength: 1 }), fc.integer({ min: 0, max: 50 }), (times, whole) => {
    const own = fitted(times, whole), sum = own.reduce((a, b) => a + b, 0);
    assert.ok(own.every((time) => time >= 0));
    if (times.some((time) => time > 0)) assert.ok(Math.abs(sum - whole) < 1e-6, `${sum} for ${whole}`);
  }), { seed: 6 });
});

test.run();
