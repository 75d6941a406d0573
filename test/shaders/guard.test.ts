import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { guardOf, checkSize } from '../../src/backends/webgpu/guard.ts';
import { BurinError } from '../../src/expect.ts';

/** A device whose scopes report `errors` by filter, and which is lost when asked. */
function fakeDevice(
  errors: Partial<Record<GPUErrorFilter, string>> = {}
): { device: GPUDevice; lose: (reason: string) => void; open: GPUErrorFilter[] } {
  const open: GPUErrorFilter[] = [];
  let lose!: (reason: string) => void;
  const lost = new Promise((done) => { lose = (reason) => done({ reason, message: 'gone' }); });
  const device = {
    lost, limits: { maxStorageBufferBindingSize: 1000, maxBufferSize: 2000 },
    pushErrorScope: (filter: GPUErrorFilter) => { open.push(filter); },
    popErrorScope: async () => {
      const message = errors[open.pop()!];
      return message === undefined ? null : { message };
    },
  };
  return { device: device as unknown as GPUDevice, lose, open };
}

async function kindOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof BurinError ? error.kind : `not typed: ${error}`;
  }
}

test('each scope is its kind of error, and scopes are closed whatever happens', async () => {
  const kinds = { validation: 'device', internal: 'device', 'out-of-memory': 'limit' } as const;
  for (const [filter, kind] of Object.entries(kinds)) {
    const { device, open } = fakeDevice({ [filter]: `wrong\nwhile doing so` });
    assert.is(await kindOf(guardOf(device).run('here', () => 1)), kind, filter);
    assert.equal(open, []);
  }
  const { device, open } = fakeDevice();
  assert.is(await guardOf(device).run('here', () => 7), 7);
  assert.is(await kindOf(guardOf(device).run('here', () => { throw new RangeError('no room'); })), 'limit');
  assert.is(await kindOf(guardOf(device).run('here', () => { throw new TypeError('no number'); })), 'device');
  assert.equal(open, []);
});

test('a loss is told with its reason, while waiting and afterwards', async () => {
  const { device, lose } = fakeDevice(), guard = guardOf(device);
  const waiting = guard.wait('here', 'a result', new Promise((done) => setTimeout(done, 1)));
  lose('unknown');
  assert.is(await kindOf(waiting), 'device');
  assert.throws(() => guard.alive('here'), /lost \(unknown\): gone; request a new device/);
  assert.is(await kindOf(guard.run('here', () => assert.unreachable('work on a lost device'))), 'device');
});

test('a promise of the device that rejects is a typed error', async () => {
  assert.is(await kindOf(guardOf(fakeDevice().device).wait('here', 'a result', Promise.reject(new Error('no')))), 'device');
});

test('a buffer may be as large as can be bound and no larger', () => {
  const { device } = fakeDevice();
  checkSize(device, 'B', 1000);
  assert.throws(() => checkSize(device, 'B', 1004), /B: needs at most 1000 bytes on this device, got 1004; request the device/);
});

test.run();
