import { BurinError, expect, fail, show, type Problem } from '../../expect.ts';

/** What WebGPU reports through scopes, in the order they are opened, and what it means to a caller. */
const scopes: readonly (Pick<Problem, 'kind' | 'needs' | 'remedy'> & { filter: GPUErrorFilter })[] = [
  { filter: 'validation', kind: 'device', needs: 'a call that WebGPU accepts' },
  { filter: 'internal', kind: 'device', needs: 'a device that can run it' },
  {
    filter: 'out-of-memory', kind: 'limit', needs: 'enough memory on the device',
    remedy: 'dispose what is no longer used, or split the product',
  },
];

/** A device and what became of it. WebGPU answers calls to a lost device with silence or zeros; nothing passes here after its end. */
export interface Guard {
  readonly device: GPUDevice;
  /** @throws BurinError `device` once the device is lost */
  alive(where: string): void;
  /** Does `work` at once and gives its result when the device has accepted it. @throws BurinError with what WebGPU says. */
  run<T>(where: string, work: () => T): Promise<T>;
  /** Waits for a promise of the device. @throws BurinError `device` when it rejects or the device is lost meanwhile. */
  wait<T>(where: string, needs: string, promise: Promise<T>): Promise<T>;
}

export function guardOf(device: GPUDevice): Guard {
  let lost: GPUDeviceLostInfo | undefined;
  void device.lost.then((info) => { lost = info; });
  const alive = (where: string): void => expect(!lost, lossOf(where, lost));

  async function run<T>(where: string, work: () => T): Promise<T> {
    alive(where);
    for (const { filter } of scopes) device.pushErrorScope(filter);
    let done: { result: T } | { thrown: unknown };
    try {
      done = { result: work() };
    } catch (thrown) {
      done = { thrown };
    }
    const found = [...scopes].reverse().map((scope) => device.popErrorScope().then((error) => ({ ...scope, error })));
    const reports = await wait(where, 'error scopes to close', Promise.all(found));
    if ('thrown' in done) throw done.thrown instanceof BurinError ? done.thrown : refused(where, done.thrown);
    const report = reports.find(({ error }) => error);
    if (report?.error) fail({ ...report, where, got: report.error.message.split('\n', 1)[0], cause: report.error });
    return done.result;
  }

  async function wait<T>(where: string, needs: string, promise: Promise<T>): Promise<T> {
    try {
      const result = await promise;
      alive(where);
      return result;
    } catch (error) {
      if (error instanceof BurinError) throw error;
      alive(where);
      return fail({ kind: 'device', where, needs, got: show(error), cause: error });
    }
  }

  return { device, alive, run, wait };
}

/** A RangeError is a buffer that cannot be mapped for lack of memory; anything else is a value WebGPU does not take. */
function refused(where: string, thrown: unknown): BurinError {
  const kind = thrown instanceof RangeError ? 'limit' : 'device';
  return new BurinError({ kind, where, needs: 'a call that WebGPU accepts', got: show(thrown), cause: thrown });
}

function lossOf(where: string, info: GPUDeviceLostInfo | undefined): Problem {
  return {
    kind: 'device', where, needs: 'a working GPUDevice', got: `one that was lost (${info?.reason ?? 'unknown'}): ${info?.message ?? ''}`,
    remedy: 'request a new device and upload again; a session does both when its recover() is called', cause: info,
  };
}

/** Bytes of the largest buffer that can be bound whole. */
export const mostBound = ({ maxStorageBufferBindingSize, maxBufferSize }: GPUSupportedLimits): number =>
  Math.min(maxStorageBufferBindingSize, maxBufferSize);

/** @throws BurinError `limit` when a buffer of `bytes` cannot be bound. */
export function checkSize({ limits }: GPUDevice, what: string, bytes: number): void {
  const most = mostBound(limits);
  expect(bytes <= most, {
    kind: 'limit', where: what, needs: `at most ${most} bytes on this device`, got: `${bytes}`,
    remedy: 'request the device with a larger maxStorageBufferBindingSize and maxBufferSize, or split the matrix',
  });
}
