import { MAP_READ, USAGE } from './buffers.ts';
import type { Guard } from './guard.ts';

/** Times passes by the device's own clock. */
export interface Stopwatch {
  /** What pass `i` notes when it begins and ends. */
  writes(i: number): GPUComputePassTimestampWrites;
  /** Queues what brings the notes to where they can be read; after all passes. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Ms of every pass; once, after the passes were submitted. */
  read(): Promise<number[]>;
  dispose(): void;
}

/** What WebGPU puts into one set of queries. */
const MOST_QUERIES = 4096;

/** Undefined where the device has no clock for so many passes. */
export function stopwatchFor({ device, run, wait }: Guard, passes: number): Promise<Stopwatch | undefined> {
  const count = passes * 2, bytes = count * 8, where = 'webgpu timestamps';
  if (!device.features.has('timestamp-query') || count > MOST_QUERIES || count === 0) return Promise.resolve(undefined);
  return run(where, () => {
    const querySet = device.createQuerySet({ type: 'timestamp', count });
    const resolved = device.createBuffer({ label: where, size: bytes, usage: USAGE.queryResolve | USAGE.copySrc });
    const readable = device.createBuffer({ label: where, size: bytes, usage: USAGE.mapRead | USAGE.copyDst });
    return {
      writes: (i: number) => ({ querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 }),
      resolve(encoder: GPUCommandEncoder) {
        encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, readable, 0, bytes);
      },
      async read() {
        await wait(where, 'times that can be read', readable.mapAsync(MAP_READ));
        const ns = new BigUint64Array(readable.getMappedRange().slice(0));
        // Clocks of some drivers step backwards by a tick.
        return Array.from({ length: passes }, (_, i) => Math.max(0, Number(ns[2 * i + 1] - ns[2 * i]) / 1e6));
      },
      dispose() {
        querySet.destroy();
        resolved.destroy();
        readable.destroy();
      },
    };
  });
}
