import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { BurinError } from '../../src/expect.ts';
import { densify, type Level, type Sparsity } from '../../src/io/tflite/densify.ts';
import { sizeOf, stridesOf } from '../../src/tensor.ts';

interface Plan {
  readonly shape: readonly number[];
  readonly order: readonly number[];
  readonly blockMap: readonly number[];
  readonly blocks: readonly number[];
  readonly sparse: readonly boolean[];
}

/** Offset in the dense tensor of one coordinate (outer coordinates, then those inside the block). */
function offsetOf({ shape, blockMap, blocks }: Plan, at: readonly number[]): number {
  return stridesOf(shape).reduce((sum, stride, d) => {
    const j = blockMap.indexOf(d);
    return sum + stride * (j < 0 ? at[d] : at[d] * blocks[j] + at[shape.length + j]);
  }, 0);
}

/**
 * Stores a dense tensor: the inverse of densify, one recursion a level.
 * A sparse level keeps a coordinate when anything below it is not 0.
 */
function sparsify(dense: Float32Array, plan: Plan): { values: Float32Array; sparsity: Sparsity } {
  const { shape, order, blockMap, blocks, sparse } = plan;
  const extents = [...shape.map((extent, d) => (blockMap.includes(d) ? extent / blocks[blockMap.indexOf(d)] : extent)), ...blocks];
  const values: number[] = [];
  const csr = order.map(() => ({ segments: [0], indices: [] as number[] }));
  const at = extents.map(() => 0);
  const anything = (level: number): boolean => {
    if (level === order.length) return dense[offsetOf(plan, at)] !== 0;
    const found = Array.from({ length: extents[order[level]] }, (_, c) => { at[order[level]] = c; return anything(level + 1); });
    return found.includes(true);
  };
  const walk = (level: number): void => {
    if (level === order.length) { values.push(dense[offsetOf(plan, at)]); return; }
    for (let c = 0; c < extents[order[level]]; c++) {
      at[order[level]] = c;
      if (sparse[level] && !anything(level + 1)) continue;
      if (sparse[level]) csr[level].indices.push(c);
      at[order[level]] = c;
      walk(level + 1);
    }
    if (sparse[level]) csr[level].segments.push(csr[level].indices.length);
  };
  walk(0);
  const levels = order.map((dim, i): Level => (sparse[i] ? csr[i] : { denseSize: extents[dim] }));
  return { values: Float32Array.from(values), sparsity: { traversalOrder: order, blockMap, levels } };
}

function roundTrip(plan: Plan, dense: Float32Array): void {
  const { values, sparsity } = sparsify(dense, plan);
  assert.equal(densify(values, { type: 'float32', shape: plan.shape, sparsity, where: 't' }), dense);
}

const some = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => ((i * 7) % 5 < 2 ? i + 1 : 0));

test('2-D CSR, written out', () => {
  const sparsity: Sparsity = {
    traversalOrder: [0, 1], blockMap: [], levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 3], indices: [1, 3, 0] }],
  };
  assert.equal(
    densify(Float32Array.of(5, 6, 7), { type: 'float32', shape: [3, 4], sparsity, where: 't' }),
    Float32Array.of(0, 5, 0, 6, 0, 0, 0, 0, 7, 0, 0, 0),
  );
});

test('columns first, written out, with u8 indices', () => {
  const sparsity: Sparsity = {
    traversalOrder: [1, 0],
    blockMap: [],
    levels: [{ denseSize: 2 }, { segments: Uint8Array.of(0, 1, 3), indices: Uint8Array.of(2, 0, 1) }],
  };
  assert.equal(
    densify(Float32Array.of(5, 6, 7), { type: 'float32', shape: [3, 2], sparsity, where: 't' }), Float32Array.of(0, 6, 0, 7, 5, 0),
  );
});

test('2x2 blocks, columns first inside, written out', () => {
  const sparsity: Sparsity = {
    traversalOrder: [0, 1, 3, 2],
    blockMap: [0, 1],
    levels: [{ denseSize: 1 }, { segments: [0, 1], indices: [1] }, { denseSize: 2 }, { denseSize: 2 }],
  };
  assert.equal(
    densify(Float32Array.of(1, 2, 3, 4), { type: 'float32', shape: [2, 4], sparsity, where: 't' }),
    Float32Array.of(0, 0, 1, 3, 0, 0, 2, 4),
  );
});

const plans: Record<string, Plan> = {
  'CSC': { shape: [5, 7], order: [1, 0], blockMap: [], blocks: [], sparse: [false, true] },
  'both levels sparse': { shape: [5, 7], order: [0, 1], blockMap: [], blocks: [], sparse: [true, true] },
  '4-D as MediaPipe stores it': { shape: [6, 1, 1, 9], order: [0, 1, 2, 3], blockMap: [], blocks: [], sparse: [false, false, false, true] },
  '4-D, other order': { shape: [3, 2, 4, 5], order: [2, 0, 3, 1], blockMap: [], blocks: [], sparse: [true, false, true, true] },
  'blocks 1x4': { shape: [3, 12], order: [0, 1, 2], blockMap: [1], blocks: [4], sparse: [false, true, false] },
  'blocks 4x4': { shape: [8, 12], order: [0, 1, 2, 3], blockMap: [0, 1], blocks: [4, 4], sparse: [false, true, false, false] },
  'blocks 4x2, map and order turned': {
    shape: [8, 6], order: [1, 0, 3, 2], blockMap: [1, 0], blocks: [2, 4], sparse: [false, true, false, false],
  },
  'sparse inside the block': { shape: [8, 6], order: [0, 1, 2], blockMap: [0], blocks: [4], sparse: [false, false, true] },
};
for (const [name, plan] of Object.entries(plans)) test(name, () => roundTrip(plan, some(sizeOf(plan.shape))));

test('any order, map, block and choice of levels gives back what was stored', () => {
  const plan = fc.integer({ min: 1, max: 3 }).chain((rank) => fc.record({
    outer: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
    blockMap: fc.shuffledSubarray(Array.from({ length: rank }, (_, d) => d)),
  })).chain(({ outer, blockMap }) => fc.record({
    outer: fc.constant(outer), blockMap: fc.constant(blockMap),
    blocks: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: blockMap.length, maxLength: blockMap.length }),
    order: fc.shuffledSubarray(
      Array.from({ length: outer.length + blockMap.length }, (_, d) => d), { minLength: outer.length + blockMap.length },
    ),
    sparse: fc.array(fc.boolean(), { minLength: outer.length + blockMap.length, maxLength: outer.length + blockMap.length }),
    seed: fc.integer({ min: 1, max: 1000 }),
  }));
  fc.assert(fc.property(plan, ({ outer, blockMap, blocks, order, sparse, seed }) => {
    const shape = outer.map((extent, d) => (blockMap.includes(d) ? extent * blocks[blockMap.indexOf(d)] : extent));
    // A block's length must stand somewhere: in its own level or in the one outside.
    const told = blockMap.every((d, j) => !sparse[order.indexOf(outer.length + j)] || !sparse[order.indexOf(d)]);
    fc.pre(told);
    roundTrip(
      { shape, order, blockMap, blocks, sparse },
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * seed) % 7 < 3 ? i + 1 : 0)),
    );
  }), { numRuns: 300 });
});

const good = (): { traversalOrder: number[]; blockMap: number[]; levels: Level[] } =>
  ({ traversalOrder: [0, 1], blockMap: [], levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 3], indices: [1, 3, 0] }] });
const bad: Record<string, [Partial<Sparsity>, RegExp]> = {
  'order that repeats': [{ traversalOrder: [0, 0] }, /permutes 0 … 1/],
  'order too short': [{ traversalOrder: [0] }, /permutes/],
  'map outside': [{ blockMap: [2] }, /block map/],
  'map repeats': [{ blockMap: [0, 0] }, /block map/],
  'levels missing': [{ levels: [{ denseSize: 3 }] }, /2 dimensions of metadata/],
  'wrong dense size': [{ levels: [{ denseSize: 4 }, good().levels[1]] }, /dense size 3/],
  'negative dense size': [{ levels: [{ denseSize: -3 }, good().levels[1]] }, /dense size 3/],
  'segments too few': [{ levels: [{ denseSize: 3 }, { segments: [0, 3], indices: [1, 3, 0] }] }, /4 segments/],
  'segments that fall': [{ levels: [{ denseSize: 3 }, { segments: [0, 2, 1, 3], indices: [1, 3, 0] }] }, /never fall/],
  'segments past the end': [{ levels: [{ denseSize: 3 }, { segments: [0, 9, 9, 3], indices: [1, 3, 0] }] }, /rising indices/],
  'index outside': [{ levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 3], indices: [1, 4, 0] }] }, /below 4/],
  'index twice': [{ levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 3], indices: [1, 1, 0] }] }, /rising/],
  'negative index': [{ levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 3], indices: [-1, 1, 0] }] }, /rising/],
  'values missing': [{ levels: [{ denseSize: 3 }, { segments: [0, 2, 2, 4], indices: [1, 3, 0, 1] }] }, /4 values/],
  'block that does not divide': [{ traversalOrder: [0, 1, 2], blockMap: [1], levels: [...good().levels, { denseSize: 3 }] }, /divides/],
  'block of unknown length': [
    { traversalOrder: [0, 1, 2], blockMap: [1], levels: [...good().levels, { segments: [0], indices: [] }] }, /divides/,
  ],
};
for (const [name, [change, message]] of Object.entries(bad)) {
  test(`refuses ${name}`, () => {
    const run = () =>
      densify(Float32Array.of(5, 6, 7), { type: 'float32', shape: [3, 4], sparsity: { ...good(), ...change }, where: 'weights' });
    assert.throws(
      run,
      (e: unknown) => e instanceof BurinError && e.kind === 'file' && message.test(e.message) && e.message.startsWith('weights sparsity'),
    );
  });
}

test.run();
