import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backends, probe } from '../../src/backends/index.ts';
import { Heap } from '../../src/backends/memory.ts';
import { createWasm } from '../../src/backends/wasm.ts';
import { BurinError } from '../../src/expect.ts';
import { starting } from '../runtime/nodes.ts';

const isKind = (kind: string) => (error: unknown): boolean => error instanceof BurinError && error.kind === kind;

test('blocks are aligned, apart by their slack, inside what was grown, and all comes back', () => {
  const actions = fc.array(
    fc.record({ bytes: fc.integer({ min: 0, max: 3000 }), free: fc.boolean(), which: fc.nat(1000) }), { maxLength: 80 },
  );
  fc.assert(fc.property(actions, fc.integer({ min: 0, max: 500 }), (list, start) => {
    let end = 0;
    const heap = new Heap(start, (to) => { end = Math.max(end, to); return true; }), live: { address: number; bytes: number }[] = [];
    for (const { bytes, free, which } of list) {
      if (free && live.length > 0) heap.free(live.splice(which % live.length, 1)[0].address);
      else live.push({ address: heap.alloc(bytes), bytes });
      live.sort((a, b) => a.address - b.address);
      live.forEach(({ address, bytes: own }, i) => {
        assert.ok(address % 64 === 0 && address >= start && address + own + 64 <= end);
        assert.ok(i === 0 || live[i - 1].address + live[i - 1].bytes + 64 <= address, 'blocks overlap');
      });
    }
    const most = end;
    for (const { address } of live) heap.free(address);
    assert.is(heap.usedBytes, 0);
    if (most > 0) heap.alloc(most - Math.ceil(start / 64) * 64 - 64);
    assert.is(end, most, 'what was freed is joined to one hole again');
  }));
});

test('freeing twice, or what was never handed out, is an error', () => {
  const heap = new Heap(0, () => true), address = heap.alloc(10);
  heap.free(address);
  assert.throws(() => heap.free(address), isKind('state'));
  assert.throws(() => heap.size(64), isKind('state'));
});

test('a heap that cannot grow says so and stays whole', () => {
  const heap = new Heap(0, (end) => end <= 1024), first = heap.alloc(500);
  assert.throws(() => heap.alloc(5000), isKind('limit'));
  heap.free(first);
  assert.is(heap.alloc(900), first);
});

for (const name of starting) {
  test(`${name}: memory is zeroed, views reach into blocks, freed bytes are no longer in use`, async () => {
    const backend = await backends[name]({}), address = backend.alloc(1000);
    backend.bytes(address, 1000).fill(7);
    assert.is(backend.bytes(address + 128, 4)[3], 7);
    backend.free(address);
    assert.is(backend.memory().usedBytes, 0);
    const again = backend.alloc(1000);
    assert.ok(backend.bytes(again, 1000).every((byte) => byte === 0));
    assert.is(again % 64, 0);
    assert.throws(() => backend.free(12345), isKind('state'));
    assert.is(backend.program([]).length, 0);
    backend.dispose();
  });
  test(`${name}: an unknown kernel is refused`, async () => {
    const backend = await backends[name]({});
    assert.throws(() => backend.program([{ kernel: 'f32_teleport', job: {} }]), isKind('argument'));
  });
}

test('wasm: more than the address space is a limit, and memory below it can still be had', async () => {
  const backend = await createWasm();
  assert.throws(() => backend.alloc(2 ** 33), isKind('limit'));
  const address = backend.alloc(5_000_000);
  assert.is(backend.bytes(address, 5_000_000).length, 5_000_000);
  assert.ok(backend.memory().totalBytes >= 5_000_000);
  backend.dispose();
  backend.dispose();
  assert.throws(() => backend.alloc(1), isKind('state'));
});

test('wasm: a field that the record does not have is refused', async () => {
  const backend = await createWasm();
  assert.throws(() => backend.program([{ kernel: 'f32_abs', job: { x: 0, z: 1 } }]), isKind('argument'));
});

test('wasm: both binaries run where the engine has relaxed SIMD, and each says which it is', async () => {
  assert.ok(probe().includes('plain'));
  for (const simd of probe()) {
    const backend = await createWasm({ simd });
    assert.is(backend.simd, simd);
    const x = backend.alloc(16), y = backend.alloc(16);
    new Float32Array(backend.bytes(x, 16).buffer, x, 4).set([1, -2, 3, -4]);
    const program = backend.program([
      { kernel: 'f32_abs', job: { x, y, length: 4 } }, { kernel: 'f32_neg', job: { x: y, y: x, length: 4 } },
    ]);
    program.run(0, 1);
    const read = (address: number): number[] => Array.from(new Float32Array(backend.bytes(address, 16).slice().buffer));
    assert.equal([read(y), read(x)], [[1, 2, 3, 4], [1, -2, 3, -4]]);
    program.run(1);
    assert.equal(read(x), [-1, -2, -3, -4]);
    program.dispose();
  }
});

test.run();
