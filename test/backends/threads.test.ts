import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend, Call, Work } from '../../src/backends/index.ts';
import { plain } from '../../src/backends/binaries.ts';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import { BurinError } from '../../src/expect.ts';
import { zooGraph } from '../../src/graph/zoo/index.ts';
import { prune } from '../../src/prune/index.ts';
import { SparseSession } from '../../src/runtime/session.ts';
import { Tensor } from '../../src/tensor.ts';

const LENGTH = 1000;

/** y = |x| in `count` parts behind each other. */
function parts(backend: Backend, count: number): { x: number; y: number; calls: Call[] } {
  const x = backend.alloc(count * LENGTH * 4), y = backend.alloc(count * LENGTH * 4);
  const calls = Array.from({ length: count }, (_, i): Call =>
    ({ kernel: 'f32_abs', job: { x: x + i * LENGTH * 4, y: y + i * LENGTH * 4, length: LENGTH } }));
  return { x, y, calls };
}

const floats = (backend: Backend, address: number, length: number): Float32Array => {
  const bytes = backend.bytes(address, length * 4);
  return new Float32Array(bytes.buffer, address, length);
};

for (const simd of probe()) {
  for (const threads of [2, 3, 8]) {
    test(`${threads} threads run every part once, phase by phase (${simd})`, async () => {
      const backend = await createWasm({ simd }, threads);
      assert.is(backend.threads, threads);
      assert.is(backend.whyFewer, undefined);
      const { x, y, calls } = parts(backend, 11);
      const job = { a: y, b: x, y: x, n0: 1, n1: 1, n2: 1, n3: 11 * LENGTH, a3: 4, b3: 4, min: -1e9, max: 1e9 };
      const add: Call = { kernel: 'f32_add', job };
      // x = |x| + x again and again: from the first work on every number of x doubles.
      const works: Work[] = Array.from({ length: 20 }, () => [calls.map((call) => [call]), add]).flat();
      const program = backend.program(works);
      for (let round = 0; round < 50; round++) {
        floats(backend, x, 11 * LENGTH).fill(1);
        program.run();
        const wrong = floats(backend, x, 11 * LENGTH).findIndex((value) => value !== 2 ** 20);
        assert.is(wrong, -1, `round ${round}, element ${wrong}`);
      }
      floats(backend, x, 11 * LENGTH).fill(-3);
      program.run(0, 1);
      assert.ok(floats(backend, y, 11 * LENGTH).every((value) => value === 3), 'a part of the program');
      program.dispose();
      backend.dispose();
    });
  }
}

test('a kernel that traps in any thread is told, and the engine works afterwards', async () => {
  const backend = await createWasm({}, 2), { x, y, calls } = parts(backend, 2);
  const bad: Call = { kernel: 'f32_abs', job: { x: 0xff000000, y, length: LENGTH } };
  for (const works of [[[[bad], [calls[1]]]], [[[calls[0]], [bad]]], [[[bad], [bad]]]]) {
    const wrong = backend.program(works), good = backend.program([calls.map((call) => [call])]);
    for (let round = 0; round < 5; round++) {
      assert.throws(() => wrong.run(), /unreachable|out of bounds/);
      floats(backend, x, 2 * LENGTH).fill(-round);
      good.run();
      assert.ok(floats(backend, y, 2 * LENGTH).every((value) => value === round));
    }
    wrong.dispose();
    good.dispose();
  }
  backend.dispose();
});

test('where there can be no threads there is one, and the reason', async () => {
  const bytes = Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
  const given = await createWasm({ simd: 'plain', module: new WebAssembly.Module(bytes) }, 2);
  assert.is(given.threads, 1);
  assert.match(given.whyFewer!, /wasm.module/);
  given.dispose();
  const lost = await createWasm({ worker: new URL('./no-such-worker.js', import.meta.url) }, 2);
  assert.is(lost.threads, 1);
  assert.match(lost.whyFewer!, /worker script.*no-such-worker/);
  lost.dispose();
  const host = globalThis as { SharedArrayBuffer?: unknown }, { SharedArrayBuffer: shared } = host;
  try {
    host.SharedArrayBuffer = undefined;
    const backend = await createWasm({}, 4);
    assert.is(backend.threads, 1);
    assert.match(backend.whyFewer!, /Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp/);
    backend.dispose();
  } finally {
    host.SharedArrayBuffer = shared;
  }
});

async function open(name: 'lenet-5-caffe' | 'mobilenetv1', threads: number | 'auto', sparse: boolean): Promise<SparseSession> {
  const graph = zooGraph(name);
  return SparseSession.create(sparse ? prune(graph, { sparsity: 0.9, strict: false }).graph : graph, { threads, tune: 'predict' });
}

const picture = (...dims: number[]): Tensor =>
  new Tensor('float32', Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(0.37 * i)), dims);

for (const sparse of [false, true]) {
  test(`MobileNetV1, ${sparse ? 'sparse' : 'dense'}: the same bits at 1, 2, 3 and 5 threads`, async () => {
    const input = picture(1, 3, 224, 224);
    let expected: Uint32Array | undefined;
    for (const threads of [1, 2, 3, 5]) {
      const session = await open('mobilenetv1', threads, sparse);
      assert.is(session.environment().threads, threads);
      for (let round = 0; round < 3; round++) {
        const outputs = await session.run({ [session.inputNames[0]]: input });
        const bits = new Uint32Array(outputs[session.outputNames[0]].data.buffer);
        expected ??= bits;
        assert.ok(new Float32Array(bits.buffer).some((score) => score !== 0));
        assert.equal(bits, expected, `${threads} threads, run ${round}`);
      }
      session.release();
    }
  });
}

test('sessions share a pool, come and go in any order', async () => {
  const input = picture(1, 1, 28, 28);
  const sessions = await Promise.all([2, 2, 1, 2, 3].map((threads) => open('lenet-5-caffe', threads, false)));
  const scores = async (session: SparseSession): Promise<number[]> =>
    Array.from((await session.run({ input })).scores.data as Float32Array);
  const expected = await scores(sessions[2]);
  for (const gone of [1, 0, 2]) {
    for (const session of sessions) assert.equal(await scores(session), expected);
    sessions.splice(gone, 1)[0].release();
  }
  for (const session of sessions) assert.equal(await scores(session), expected);
  for (const session of sessions) session.release();
  const again = await open('lenet-5-caffe', 'auto', false);
  assert.equal(await scores(again), expected);
  assert.ok(again.environment().threads >= 1);
  again.release();
});

/** The library as an app has it: compiled where the tests are. */
const library = ['../../src/index.js', '../../src/index.ts'].map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(fileURLToPath(url)))!;

for (const end of ['session.release();', '']) {
  test(`a process ends by itself ${end ? 'after' : 'without'} release`, () => {
    const script = `import { SparseSession, Tensor, zooGraph } from ${JSON.stringify(library.href)};
      const session = await SparseSession.create(zooGraph('lenet-5-caffe'), { threads: 2, tune: 'predict' });
      await session.run({ input: new Tensor('float32', new Float32Array(784), [1, 1, 28, 28]) });
      console.log(session.environment().threads); ${end}`;
    const args = ['--input-type=module', '-e', script];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { timeout: 30_000, encoding: 'utf8' });
    assert.equal([status, stdout.trim()], [0, '2'], stderr);
  });
}

test('an engine that is gone says so', async () => {
  const backend = await createWasm({}, 2), { calls } = parts(backend, 2), program = backend.program([calls.map((call) => [call])]);
  program.run();
  backend.dispose();
  backend.dispose();
  assert.throws(() => backend.alloc(1), (error: unknown) => error instanceof BurinError && error.kind === 'state');
});

test.run();
