import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { deadIn } from '../../src/graph/passes/dead.ts';
import { narrowed } from '../../src/graph/passes/narrow.ts';
import { channelsIn } from '../../src/graph/channels/index.ts';
import { worklistOf } from '../../src/graph/passes/worklist.ts';
import { numbersOf } from '../../src/tensor.ts';
import { filled } from './call.ts';

/** What sweeps over all places visit of those that wait, until none does. `reached(place, visit)` are the places it makes wait. */
function sweeps(length: number, reached: (place: number, visit: number) => readonly number[]): number[] {
  const waits = new Uint8Array(length).fill(1), visits: number[] = [];
  while (waits.includes(1)) {
    for (let place = 0; place < length; place++) {
      if (!waits[place]) continue;
      waits[place] = 0;
      for (const other of reached(place, visits.length)) waits[other] = 1;
      visits.push(place);
    }
  }
  return visits;
}

test('places are visited in the order of sweeps over all of them', () => {
  const adds = fc.array(fc.array(fc.nat(1000), { maxLength: 3 }), { maxLength: 60 });
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), adds, (length, drawn) => {
    const reached = (_: number, visit: number): number[] => (drawn[visit] ?? []).map((n) => n % length);
    const open = worklistOf(length), visits: number[] = [];
    for (let place = open.next(); place !== undefined; place = open.next()) {
      reached(place, visits.length).forEach((other) => open.add(other));
      visits.push(place);
    }
    assert.equal(visits, sweeps(length, reached));
  }), { numRuns: 300, seed: 3 });
});

/** A layer half of whose filters are dead, `depth` activations, and a layer. */
function chain(depth: number): Graph {
  const weight = filled([32, 3, 1, 1], 1);
  weight.data.fill(0, 0, 48);
  const link = (i: number): Node => ({ name: `s${i}`, op: 'Tanh', inputs: [i ? `s${i - 1}` : 'a'], outputs: [`s${i}`], attrs: {} });
  return {
    name: 'g', inputs: [{ name: 'x', type: 'float32', dims: [1, 3, 2, 2] }], outputs: [{ name: 'y', type: 'float32', dims: [] }],
    nodes: [
      { name: 'a', op: 'Conv', inputs: ['x', 'a.w', 'a.b'], outputs: ['a'], attrs: {} },
      ...Array.from({ length: depth }, (_, i) => link(i)),
      { name: 'y', op: 'Conv', inputs: [`s${depth - 1}`, 'y.w'], outputs: ['y'], attrs: { pads: [1, 1, 1, 1] } },
    ],
    constants: new Map([['a.w', weight], ['a.b', filled([32], 2)], ['y.w', filled([2, 32, 3, 3], 3)]]),
  };
}

test('a channel that the end of a chain of 3,000 nodes holds is held to its beginning, within seconds', () => {
  const { graph, types } = specialize(chain(3000)), channels = channelsIn(graph, types), start = performance.now();
  const small = narrowed(channels, deadIn(channels, { maps: false, open: false })).graph;
  assert.ok(performance.now() - start < 20_000, 'far more than the second it takes; sweeps over all nodes took minutes');
  assert.equal(['a.w', 'y.w'].map((name) => small.constants.get(name)!.dims), [[17, 3, 1, 1], [2, 17, 3, 3]]);
  const x = filled([1, 3, 2, 2], 9), [was, is] = [graph, small].map((each) => numbersOf(evaluate(each, { x }).y));
  for (let i = 0; i < was.length; i++) assert.ok(Math.abs(was[i] - is[i]) < 1e-5, `${is[i]} for ${was[i]}`);
});

test.run();
