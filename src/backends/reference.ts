import { expect, fail } from '../expect.ts';
import type { Backend, Program, Work } from './backend.ts';

/** Memory without kernels: every operator runs in the plain loops of its table row. Slow, exact, always there. */
export function createReference(threads: number | 'auto' = 1): Promise<Backend> {
  const blocks = new Map<number, Uint8Array>();
  let next = 64;
  const lost = (address: number): never =>
    fail({ kind: 'state', where: 'reference backend', needs: 'an address that was allocated', got: String(address) });
  return Promise.resolve({
    name: 'reference',
    simd: 'none',
    threads: 1,
    ...(threads !== 1 && { whyFewer: 'the reference backend runs plain loops on one thread' }),
    kernels: new Map(),
    alloc(bytes) {
      const address = next;
      blocks.set(address, new Uint8Array(bytes));
      next += Math.ceil(bytes / 64 + 1) * 64;
      return address;
    },
    free(address) {
      if (!blocks.delete(address)) lost(address);
    },
    bytes(address, length) {
      for (const [start, block] of blocks) {
        const from = address - start;
        if (from >= 0 && from + length <= block.byteLength) return block.subarray(from, from + length);
      }
      return lost(address);
    },
    program(works: readonly Work[]): Program {
      expect(works.length === 0, { kind: 'argument', where: 'reference backend', needs: 'no kernels', got: `${works.length} calls` });
      return { length: 0, run: () => {}, dispose: () => {} };
    },
    memory() {
      let usedBytes = 0;
      for (const block of blocks.values()) usedBytes += block.byteLength;
      return { usedBytes, totalBytes: usedBytes };
    },
    dispose: () => blocks.clear(),
  });
}
