import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countsOf, cutOf, orderOf } from '../../src/backends/webgpu/split.ts';
import { randomFrom } from '../../src/random.ts';

// How heavy blocks of rows are cut: all positions once, in their order, whatever the groups and parts of K.

/** Pointers of `parts` parts over blocks that store `counts` positions in each. */
function pointed(counts: readonly (readonly number[])[], blockCols = 1) {
  const blocks = counts[0].length, ptr = Uint32Array.from(counts.flatMap((part) => {
    let at = 0;
    return [0, ...part.map((count) => at += count)];
  }));
  return { ptr, blocks, blockCols, starts: counts.map((_, i) => i) };
}

type Pointed = ReturnType<typeof pointed>;

function cut(packed: Pointed, groups: number) {
  const counts = countsOf(packed), order = orderOf(counts, groups);
  return { counts, order, found: cutOf(packed, counts, order, groups) };
}

/** The positions that one list of blocks walks in a part, in order. */
const walked = (ptr: Uint32Array, at: number, blocks: readonly number[]): number[] =>
  blocks.flatMap((block) => Array.from({ length: ptr[at + block + 1] - ptr[at + block] }, (_, i) => ptr[at + block] + i));

function check(packed: Pointed, groups: number): boolean {
  const { counts, order, found } = cut(packed, groups), each = packed.blocks / groups;
  if (!found) return false;
  const perGroup = found.blocks / groups, { words, pieceOrder, sumOrder } = found;
  for (let part = 0; part < packed.starts.length; part++) {
    const from = part * (packed.blocks + 1), to = part * (found.blocks + 1);
    assert.is(words[to + found.blocks], packed.ptr[from + packed.blocks], 'positions of a part');
    for (let group = 0; group < groups; group++) {
      const light = [...found.light.subarray(group * each, (group + 1) * each)].filter((block) => block < each);
      const heavy = Array.from({ length: found.heavy }, (_, i) => words.subarray(sumOrder + 3 * (group * found.heavy + i)).subarray(0, 3))
        .filter(([block]) => block < each);
      assert.equal([...light, ...heavy.map(([block]) => block)].sort((a, b) => a - b), Array.from({ length: each }, (_, i) => i));
      assert.equal(light, [...order.subarray(group * each, (group + 1) * each)].filter((block) => light.includes(block)));
      const listed = [...words.subarray(pieceOrder + group * perGroup, pieceOrder + (group + 1) * perGroup)].filter((i) => i < perGroup);
      assert.equal(listed, heavy.flatMap(([, first, pieces]) => Array.from({ length: pieces }, (_, i) => first + i)));
      assert.ok(light.length <= found.lightBlocks && listed.length <= found.pieces);
      for (const [block, first, pieces] of heavy) {
        const own = Array.from({ length: pieces }, (_, i) => group * perGroup + first + i);
        assert.equal(walked(words, to, own), walked(packed.ptr, from, [group * each + block]));
        assert.ok(counts[group * each + block] > 4 * found.piece && pieces === Math.ceil(counts[group * each + block] / found.piece));
      }
    }
  }
  return true;
}

test('all positions once and in order, by groups and parts', () => {
  let cutted = 0;
  for (let seed = 0; seed < 60; seed++) {
    const random = randomFrom(seed, 'cut'), groups = 1 + (seed % 3), parts = 1 + (seed % 2);
    const blocks = groups * (1 + Math.floor(random.next() * 9));
    const counts = Array.from({ length: parts }, () =>
      Array.from({ length: blocks }, () => Math.floor(random.next() < 0.3 ? random.next() * 2500 : random.next() * 60)));
    if (check(pointed(counts, 1 + (seed % 4)), groups)) cutted++;
  }
  assert.ok(cutted > 20 && cutted < 60, `${cutted} of 60`);
});

test('rows are heavy beside the work of all: one full row among empty ones, all of few rows, none of many', () => {
  assert.equal(cut(pointed([[0, 0, 513, 0]]), 1).found?.pieces, 5);
  assert.is(cut(pointed([[0, 0, 512, 0]]), 1).found, undefined);
  const all = cut(pointed([[4096, 4096, 4096]]), 1).found!;
  assert.equal([all.lightBlocks, all.heavy, all.pieces, all.piece], [0, 3, 96, 128]);
  assert.is(cut(pointed([Array<number>(4096).fill(4096)]), 1).found, undefined);
  assert.is(cut(pointed([[0, 0]]), 1).found, undefined);
});

test.run();
