import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BurinError } from '../../../src/expect.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { zooGraph } from '../../../src/graph/zoo/index.ts';
import {
  criteria, isKept, maskFrom, Pruner, prune, sparsityAt, statistics, type Mask, type PrunerState, type Weights,
} from '../../../src/prune/index.ts';
import type { Masks } from '../../../src/prune/index.ts';
import { randomFrom } from '../../../src/random.ts';
import { sizeOf, Tensor } from '../../../src/tensor.ts';
import { counting, sketch } from '../networks.ts';

const keptOf = (mask: Mask | undefined): string =>
  (mask ? Array.from({ length: sizeOf(mask.dims) }, (_, i) => (isKept(mask, i) ? 1 : 0)).join('') : '');
const droppedOf = (mask: Mask): number => statistics(mask).total - statistics(mask).kept;

/** That everything `before` drops is dropped by `after` too. */
function assertNested(before: Masks, after: Masks): void {
  for (const [name, mask] of before) mask.bits.forEach((byte, i) => assert.is(after.get(name)!.bits[i] & ~byte, 0, name));
}

const line = (values: number[]): Graph => sketch({ fc: { op: 'Linear', dims: [1, values.length], values } });

test('LeNet-300-100, 20 % a round and 10 % on the output: per cent of weights left', () => {
  const graph = zooGraph('lenet-300-100');
  const pruner = new Pruner(graph, { schedule: { name: 'lottery-ticket', rate: { '*': 0.2, fc3: 0.1 }, rounds: 9 } });
  const left = Array.from({ length: 9 }, (_, i) => ((1 - pruner.step(i + 1).sparsity) * 100).toFixed(1));
  assert.equal(left, ['80.0', '64.1', '51.3', '41.1', '32.9', '26.3', '21.1', '16.9', '13.5']);
  assert.equal(pruner.warnings, []);
});

test('AGP .05 → .8 in 4 of 1000 weights drops 50, 484, 706, 788, 800', () => {
  const pruner = new Pruner(line(counting([1000])), { schedule: { name: 'agp', initial: 0.05, final: 0.8, rounds: 4 } });
  assert.equal([0, 1, 2, 3, 4].map((t) => droppedOf(pruner.step(t).masks.get('fc.weight')!)), [50, 484, 706, 788, 800]);
});

test('nothing is masked before there is something to drop; masks change at updates only', () => {
  const pruner = new Pruner(line(counting([10])), { sparsity: 0.8, schedule: { name: 'linear', begin: 2, end: 6, every: 2 } });
  const seen = Array.from({ length: 9 }, (_, t) => pruner.step(t)).map(({ changed, masks }) => [changed, keptOf(masks.get('fc.weight'))]);
  assert.equal(seen, [
    [false, ''], [false, ''], [false, ''], [false, ''], [true, '0000111111'], [false, '0000111111'],
    [true, '0000000011'], [false, '0000000011'], [false, '0000000011'],
  ]);
  assert.ok(pruner.finished);
});

test('the end off the grid is landed on; as TF-MOT does it is not, and that is said', () => {
  const schedule = { name: 'agp', final: 0.9, end: 150, every: 100 };
  const run = (grid: 'landing' | 'tfmot', warnings: string[] = []): [number, boolean] => {
    const pruner = new Pruner(line(counting([10_000])), { schedule: { ...schedule, grid }, onWarning: ({ code }) => warnings.push(code) });
    for (let t = 0; t < 300; t++) pruner.step(t);
    return [pruner.sparsity, pruner.finished];
  };
  const warnings: string[] = [];
  assert.equal(run('landing', warnings), [0.9, true]);
  assert.equal(warnings, []);
  const [sparsity, finished] = run('tfmot', warnings);
  assert.is(sparsity.toFixed(4), '0.8667');
  assert.not(finished);
  assert.equal(warnings, ['end-off-grid']);
});

test('steps may be skipped: an update that was missed is caught up', () => {
  const make = (): Pruner => new Pruner(line(counting([100])), { sparsity: 0.9, schedule: { name: 'agp', rounds: 10 } });
  const gap = make(), whole = make();
  for (let t = 0; t <= 7; t++) whole.step(t);
  assert.is(keptOf(gap.step(7.5).masks.get('fc.weight')), keptOf(whole.masks.get('fc.weight')));
  assert.is(gap.step(1e6).sparsity, 0.9);
  assert.not(gap.step(1e6).changed);
});

test('a step that is repeated changes nothing, one back in time is refused', () => {
  const pruner = new Pruner(line(counting([10])), { sparsity: 0.5, schedule: { name: 'linear', end: 2 } });
  const first = pruner.step(1), again = pruner.step(1, { weights: { 'fc.weight': Float32Array.from(counting([10])).reverse() } });
  assert.ok(first.changed && !again.changed);
  assert.is(again.masks, first.masks);
  assert.throws(() => pruner.step(0), (error: unknown) => {
    assert.ok(error instanceof BurinError && error.kind === 'argument');
    assert.match(error.message, /^pruner.step: needs t of 1 or later, got 0; to start again make a new Pruner, with option masks /);
    return true;
  });
  assert.throws(() => pruner.step(NaN), /pruner.step: needs t of 1 or later, got NaN/);
  assert.throws(() => new Pruner(line([1, 2]), { sparsity: 0.5 }).step('now' as never), /needs a finite t, got 'now'/);
  assert.is(pruner.step(2).sparsity, 0.5);
});

test('a step that fails can be taken again', () => {
  const pruner = new Pruner(line([1, 2, 3, 4]), { sparsity: 0.5 });
  assert.throws(() => pruner.step(5, { weights: {} }),
    /fc.weight \[1, 4\]: needs a Float32Array.*got undefined; give the weights of every layer/);
  assert.ok(pruner.step(4, { weights: { 'fc.weight': Float32Array.of(4, 3, 2, 1) } }).changed);
  assert.is(keptOf(pruner.masks.get('fc.weight')), '1100');
});

test('the weights of the moment decide: arrays, tensors of others, Map or object', () => {
  const now = Float32Array.of(4, 1, 3, 2);
  const forms: Weights[] = [
    { 'fc.weight': now }, new Map([['fc.weight', now]]), { 'fc.weight': { data: now, shape: [1, 4], dtype: 'float32' } },
    new Map([['fc.weight', new Tensor('float32', now, [1, 4])]]), { 'fc.weight': now, 'other.bias': Float32Array.of(1) },
  ];
  for (const weights of forms) {
    const { masks, weights: masked } = new Pruner(line([1, 2, 3, 4]), { sparsity: 0.5 }).step(0, { weights });
    assert.is(keptOf(masks.get('fc.weight')), '1010');
    assert.equal([...masked.get('fc.weight')!.data], [4, 0, 3, 0]);
  }
  assert.equal([...now], [4, 1, 3, 2]);
});

test('apply masks in place and gives back what it got', () => {
  const pruner = new Pruner(line(counting([19])), { sparsity: 0.5 });
  const data = Float32Array.from(counting([19])), weights = new Map([['fc.weight', data], ['bias', Float32Array.of(7)]]);
  assert.is(pruner.apply(weights), weights);
  assert.equal([...data], counting([19]));
  pruner.step(0);
  pruner.apply(weights);
  assert.equal([...data], counting([19]).map((value) => (value <= 10 ? 0 : value)));
  assert.equal(weights.get('bias'), Float32Array.of(7));
  const within = new Float32Array(22).fill(-NaN).subarray(2, 21); // weights of another library may lie inside a larger array
  pruner.apply({ 'fc.weight': within });
  assert.equal([...within], counting([19]).map((value) => (value <= 10 ? 0 : NaN)));
  assert.equal([new Float32Array(within.buffer)[1], new Float32Array(within.buffer)[21]], [NaN, NaN]);
  assert.throws(() => pruner.apply({ 'fc.weight': new Float32Array(4) }),
    /fc.weight \[1, 19\]: needs values in the stored order of the model, got 4 values/);
});

test('what is dropped stays dropped, whatever the optimiser does to it', () => {
  const pruner = new Pruner(line(counting([8])), { sparsity: 0.75, schedule: { name: 'linear', end: 3 } });
  pruner.step(1);
  const moved = Float32Array.of(90, 80, 3, 4, 5, 6, 7, 8);
  assert.is(keptOf(pruner.step(2, { weights: { 'fc.weight': moved } }).masks.get('fc.weight')), '00001111');
});

test('a zero that is kept is a weight like any other: it counts once, and lives while its group does', () => {
  const zeros = new Pruner(line(new Array(10).fill(0)), { sparsity: 0.5, schedule: { name: 'linear', end: 5 } });
  assert.equal([0, 1, 2, 3, 4, 5].map((t) => keptOf(zeros.step(t).masks.get('fc.weight')).lastIndexOf('0') + 1), [0, 1, 2, 3, 4, 5]);
  const some = new Pruner(line([5, 0, 3, 0]), { sparsity: 0.25 });
  assert.is(keptOf(some.step(0).masks.get('fc.weight')), '1011');
});

test('masks of an earlier run stay', () => {
  const graph = line(counting([8]));
  const { masks } = prune(graph, { sparsity: 0.25 });
  const pruner = new Pruner(graph, { sparsity: 0.5, masks, criterion: { formula: '-w', score: (weights) => weights.map((w) => -w) } });
  assert.is(pruner.sparsity, 0.25);
  assert.is(keptOf(pruner.step(0).masks.get('fc.weight')), '00111100');
  assert.throws(() => new Pruner(line([1, 2]), { sparsity: 0.5, masks }),
    /option masks, fc.weight: needs a mask \[1, 2\], got a mask \[1, 8\]/);
  const odd = { 'fc.weight': masks.get('fc.weight') };
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, masks: odd as never }), /option masks: needs a Map of masks/);
});

test('regrowth: what comes back is what was largest when it was dropped', () => {
  const pruner = new Pruner(line(counting([8])), { sparsity: 0.75, schedule: { name: 'dsd', end: 4 } });
  const data = Float32Array.from(counting([8])).reverse(), weights = { 'fc.weight': data };
  const seen = [0, 1, 2, 3, 4].map((t) => {
    const { masks } = pruner.step(t, { weights });
    pruner.apply(weights);
    return keptOf(masks.get('fc.weight'));
  });
  assert.equal(seen, ['', '11111000', '11000000', '11111000', '']);
  assert.equal([...data], [8, 7, 0, 0, 0, 0, 0, 0]);
});

test('regrowth by weights that are not masked, and a constant sparsity with masks that move', () => {
  const pruner = new Pruner(line([1, 2, 3, 4]), { sparsity: 0.5, schedule: { name: 'one-shot', end: 2, regrow: true } });
  const at = (t: number, ...values: number[]): string =>
    keptOf(pruner.step(t, { weights: { 'fc.weight': Float32Array.from(values) } }).masks.get('fc.weight'));
  assert.equal([at(0, 1, 2, 3, 4), at(1, 9, 2, 3, 4), at(1, 1, 2, 3, 4), at(2, 1, 8, 9, 2)], ['0011', '1001', '1001', '0110']);
  assert.equal(pruner.warnings.map(({ code }) => code), ['regrowth-without-fall']);
});

test('a schedule that falls without regrowth keeps its masks', () => {
  const pruner = new Pruner(line(counting([8])), { schedule: { sparsity: (p) => 0.5 - 0.5 * p, end: 2 } });
  assert.equal([0, 1, 2].map((t) => keptOf(pruner.step(t).masks.get('fc.weight'))), ['00001111', '00001111', '00001111']);
  assert.equal(pruner.warnings.map(({ code }) => code), ['falls-without-regrowth']);
});

test('N:M comes gradually: 4:4, 3:4, 2:4', () => {
  const graph = sketch({ fc: { op: 'Linear', dims: [1, 8], values: [1, 2, 3, 4, 8, 7, 6, 5] } });
  const pruner = new Pruner(graph, { scope: '2:4', schedule: { name: 'linear', end: 4 } });
  assert.equal([0, 1, 2, 3, 4].map((t) => keptOf(pruner.step(t).masks.get('fc.weight'))), ['', '', '01111110', '00111100', '00111100']);
  assert.ok(pruner.finished);
  assert.throws(() => new Pruner(graph, { scope: '2:4', sparsity: 0.9 }),
    /schedule one-shot, final: needs 0.5 or nothing, as scope 2:4 decides it, got 0.9/);
});

test('criteria get what they need from the state, kind by kind or layer by layer, and the first weights from the model', () => {
  const graph = line([1, 2, 3, 4]), gradient = Float32Array.of(9, 1, 1, 1);
  const states: PrunerState[] = [
    { gradient: { 'fc.weight': gradient } }, { gradient: new Map([['fc', gradient], ['other', gradient]]) },
    { gradient: { fc: new Tensor('float32', gradient, [1, 4]) } }, { evidence: { fc: { gradient } } },
  ];
  for (const state of states) {
    assert.is(keptOf(new Pruner(graph, { sparsity: 0.5, criterion: 'gradient' }).step(0, state).masks.get('fc.weight')), '1001');
  }
  const fixed = new Pruner(graph, { sparsity: 0.5, criterion: 'gradient', evidence: { fc: { gradient } } });
  assert.is(keptOf(fixed.step(0).masks.get('fc.weight')), '1001');
  const weights = { 'fc.weight': Float32Array.of(1, 5, 3.5, 4) };
  assert.is(keptOf(new Pruner(graph, { sparsity: 0.5, criterion: 'distance' }).step(0, { weights }).masks.get('fc.weight')), '0110');
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, criterion: 'gradient' }).step(0),
    /evidence of fc .*gradient: needs ∂L\/∂w.*got nothing/);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5 }).step(0, { gradients: {} } as never),
    /pruner.step, state: needs one of weights, evidence, gradient, .*got 'gradients'/);
});

test('a criterion that makes up for what goes: its weights are those of the step', () => {
  const graph = line([1, 1.2]), hessian = Float64Array.of(2, 1, 1, 2);
  const schedule = { name: 'linear', end: 1 };
  const pruner = new Pruner(graph, { sparsity: 0.5, criterion: 'obs', evidence: { fc: { hessian } }, schedule });
  const first = pruner.step(0), second = pruner.step(1);
  assert.equal([...first.weights.get('fc.weight')!.data], [...Float32Array.of(1, 1.2)]);
  assert.ok(second.compensated && second.changed);
  assert.equal([...second.weights.get('fc.weight')!.data].map((w) => +w.toFixed(6)), [0, 1.7]);
  assert.not(pruner.step(2).compensated);
  const zero = new Pruner(line([1, 0, 1.2, 3]), {
    sparsity: 0.25, criterion: 'obs', evidence: { fc: { hessian: Float64Array.of(1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1) } },
    schedule: 'one-shot', masks: new Map([['fc.weight', maskFrom([0, 1, 1, 1], [1, 4])]]),
  });
  assert.equal([...zero.step(0).weights.get('fc.weight')!.data], [...Float32Array.of(0, 0, 1.2, 3)]);
  assert.not(new Pruner(graph, { sparsity: 0.5 }).step(0).compensated);
});

test('allocations: the sparsity of all layers together follows the schedule, masks nest', () => {
  for (const allocation of ['erk', 'uniform+', 'global', 'lamp'] as const) {
    const graph = zooGraph('lenet-300-100');
    const pruner = new Pruner(graph, { sparsity: 0.9, allocation, schedule: { name: 'agp', initial: 0.5, rounds: 3 } });
    let before: Masks = new Map();
    for (let t = 0; t <= 3; t++) {
      const { masks, sparsity, target } = pruner.step(t, { weights: weightsIn(graph, t) });
      assert.ok(Math.abs(sparsity - (target as number)) < 1e-4, `${allocation} ${sparsity}`);
      assertNested(before, masks);
      before = masks;
    }
  }
});

test('layers, exclude and numbers by layer', () => {
  const graph = zooGraph('lenet-300-100');
  const some = new Pruner(graph, { sparsity: 0.5, exclude: ['fc3'] }).step(0);
  assert.equal([...some.masks.keys()], ['fc1.weight', 'fc2.weight']);
  assert.is(some.sparsity, 0.5);
  const table = new Pruner(graph, { sparsity: { fc1: 0.92, fc3: 0.74 }, schedule: { name: 'agp', end: 4 } });
  const ones = (length: number): Float32Array => new Float32Array(length).fill(1);
  const { masks, target, report } = table.step(4, { weights: { 'fc1.weight': ones(235_200), 'fc3.weight': ones(1000) } });
  assert.equal([...masks].map(([name, mask]) => [name, droppedOf(mask)]), [['fc1.weight', 216_384], ['fc3.weight', 740]]);
  assert.equal(target, { fc1: 0.92, fc3: 0.74 });
  assert.equal(report.map(({ name }) => name), ['fc1', 'fc3']);
  assert.throws(() => new Pruner(graph, { sparsity: { fc9: 0.5 } }), /option schedule: needs layers among fc1, fc2, fc3, got 'fc9'/);
});

test('what prune refuses is refused', () => {
  const graph = zooGraph('lenet-300-100');
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, criterion: 'taste' }), /criterion: needs one of magnitude/);
  const later = { name: 'agp', begin: 1000, end: 2000 };
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, schedule: later, counting: 'fingers' }), /counting: needs one of exact/);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, schedule: later, granularity: 'atom' }), /granularity: needs one of weight/);
  assert.throws(() => new Pruner(graph, { sparsty: 0.5, sparsity: 0.5 } as never),
    /prune options: needs one of criterion, .*got 'sparsty'/);
  assert.throws(() => new Pruner(graph, { sparsity: { fc1: 0.5 }, schedule: later, allocation: 'erk' }),
    /allocation erk: needs one number for sparsity/);
  const odd = sketch({ conv: { dims: [4, 3, 1, 1], values: counting([12]) } });
  assert.throws(() => new Pruner(odd, { scope: '2:4', schedule: later }), /conv.weight .*input channels in fours for 2:4, got 3/);
  const left = new Pruner(odd, { scope: '2:4', strict: false }).step(0);
  assert.equal([left.masks.size, left.report[0].refused?.includes('fours')], [0, true]);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5, layers: ['fc9'] }), /option layers: needs layers among/);
  assert.throws(() => new Pruner({} as Graph, { sparsity: 0.5 }), /graph: needs a Graph with name/);
  assert.throws(() => new Pruner(graph), /schedule one-shot: needs final, got nothing/);
  assert.throws(() => new Pruner(graph, null as never), /options: needs an object/);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5 }).step(0, null as never), /needs a state as in \{ weights \}, got null/);
  assert.throws(() => new Pruner(graph, { sparsity: 0.5 }).step(0, { weights: [] as never }), /state.weights: needs a Map or an object/);
  const nan = new Float32Array(10).fill(NaN);
  assert.throws(() => new Pruner(line(counting([10])), { sparsity: 0.5 }).step(0, { weights: { 'fc.weight': nan } }),
    /needs scores that are numbers/);
});

const weightsIn = (graph: Graph, seed: number): Map<string, Float32Array> => new Map([...graph.constants].map(([name, { data, dims }]) =>
  [name, randomFrom(seed, name).normals(new Float32Array(sizeOf(dims)), data.length)]));

/** Layers of stored orders other than OIHW among them. */
const several = (): Graph => sketch({
  conv: { dims: [6, 4, 3, 3], values: counting([6, 4, 3, 3]) },
  up: { op: 'ConvTranspose', dims: [4, 3, 2, 2], values: counting([4, 3, 2, 2]), attrs: { group: 2 } },
  fc: { op: 'MatMul', dims: [12, 10], values: counting([12, 10]) },
});
const groupsOf: Record<string, Record<string, number>> = {
  weight: { conv: 216, up: 48, fc: 120 }, filter: { conv: 6, up: 6, fc: 10 }, kernel: { conv: 24, up: 12, fc: 120 },
  'block_rows(2)': { conv: 108, up: 24, fc: 60 },
};

/** How many groups a mask drops: weights dropped over the weights of a group, all of one size here. */
const droppedGroups = (mask: Mask, groups: number): number => droppedOf(mask) / (sizeOf(mask.dims) / groups);
const halfEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

const anyRun = fc.record({
  granularity: fc.constantFrom(...Object.keys(groupsOf)),
  criterion: fc.constantFrom(...Object.keys(criteria).filter((name) => ['magnitude', 'squared', 'random'].includes(name))),
  scope: fc.constantFrom('layer' as const, 'model' as const),
  name: fc.constantFrom('one-shot', 'iterative', 'agp', 'one-cycle', 'cosine', 'linear'),
  final: fc.integer({ min: 0, max: 20 }).map((n) => n / 20),
  rounds: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer({ min: 0, max: 1000 }),
});

test('along any schedule masks have exactly k groups dropped at each step, nest, and land on the target', () => {
  fc.assert(fc.property(anyRun, ({ granularity, criterion, scope, name, final, rounds, seed }) => {
    const graph = several();
    const pruner = new Pruner(graph, { granularity, criterion, scope, sparsity: final, schedule: { name, rounds }, seed });
    let before: Masks = new Map();
    for (let t = 0; t <= rounds + 1; t++) {
      const weights = weightsIn(graph, seed + t); // other weights at each step, which nothing has masked
      const { masks, target } = pruner.step(t, { weights });
      assert.is(target, sparsityAt({ name, final, rounds }, t));
      assert.is(target === final, t >= rounds || name === 'one-shot' || target === final);
      const counts = [...masks].map(([weight, mask]) => {
        const groups = groupsOf[granularity][weight.slice(0, -'.weight'.length)];
        return [droppedGroups(mask, groups), groups];
      });
      const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
      if (scope === 'layer') for (const [dropped, groups] of counts) assert.is(dropped, halfEven((target as number) * groups));
      else assert.is(sum(counts.map(([dropped]) => dropped)), halfEven((target as number) * sum(counts.map(([, groups]) => groups))));
      assertNested(before, masks);
      before = masks;
    }
  }), { seed: 1, numRuns: 200 });
});

test.run();
