import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tileOf } from '../../src/backends/webgpu/candidates.ts';
import { matmulOf } from '../../src/backends/webgpu/layers.ts';

const device = (most: number) => ({ limits: { maxComputeWorkgroupsPerDimension: most } as GPUSupportedLimits });
const nothing = {} as GPUBufferBinding, operands = { a: nothing, b: nothing, c: nothing };

test('dispatches of a product run each of its workgroups once, and no more each way than the device does', () => {
  const { shader, dispatches } = matmulOf({ m: 250, k: 8, n: 900, images: 7 }), { rows, columns } = tileOf(shader);
  const wanted = [Math.ceil(900 / columns), Math.ceil(250 / rows), 7];
  for (const most of [1, 2, 3, 5, 65535]) {
    const seen = new Map<string, number>(), found = dispatches(device(most), operands);
    for (const { groups: [x, y, z], job: { first_x, first_y, first_z } } of found) {
      assert.ok(Math.max(x, y, z) <= most && Math.min(x, y, z) > 0, `${x} × ${y} × ${z} of ${most}`);
      for (let i = 0; i < x * y * z; i++) {
        const at = [first_x + (i % x), first_y + (Math.floor(i / x) % y), first_z + Math.floor(i / x / y)];
        assert.ok(at.every((place, axis) => place < wanted[axis]), `${at} of ${wanted}`);
        seen.set(at.join(), (seen.get(at.join()) ?? 0) + 1);
      }
    }
    assert.is(seen.size, wanted[0] * wanted[1] * wanted[2]);
    assert.ok([...seen.values()].every((times) => times === 1));
    assert.is(found.length, wanted.reduce((product, count) => product * Math.ceil(count / most), 1));
  }
});

test.run();
