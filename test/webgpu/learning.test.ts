import { defaultDevice, hasGpu } from './adapter.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SparseSession, type SessionOptions } from '../../src/runtime/session.ts';
import { filled } from '../graph/call.ts';
import { oneNode } from '../runtime/nodes.ts';

// What is chosen where nothing may be timed, by what timed layers have taught.

const device = hasGpu('learning on WebGPU') ? await defaultDevice() : undefined;

if (device) {
  const onGpu: SessionOptions = { executionProviders: ['webgpu'], webgpu: { device } };

  test('what positions of a format cost is learnt from layers that are timed, and decides where nothing is timed', async () => {
    const weight = filled([64, 64, 1, 1], 1), { data } = weight;
    data.forEach((_, i) => { if ((i * 31) % 10 > 0) data[i] = 0; });
    const { graph } = oneNode('Conv', {}, [filled([1, 64, 8, 8], 2), { constant: weight }]), tuning: Record<string, number> = {};
    const decide = async (tune: 'measure' | 'predict', table: Record<string, number>) => {
      const session = await SparseSession.create(graph, { ...onGpu, tune, tuning: table, formats: ['dense', 'csr'] });
      const [{ format, kernel, decided }] = await session.prepare();
      Object.assign(tuning, session.tuning());
      session.release();
      return [format, decided, kernel];
    };
    const [format, decided, guess] = await decide('predict', {});
    assert.equal([format, decided], ['csr', 'predicted']);
    assert.is((await decide('measure', {}))[1], 'timed');
    const known = Object.keys(tuning).filter((key) => /position of csr .*columns$/.test(key));
    assert.is(known.length, 1, Object.keys(tuning).join('\n'));
    assert.ok(tuning[known[0]] > 0 && tuning[`${known[0]}|layers`] === 1);
    assert.is((await decide('predict', { [known[0]]: 1000 }))[0], 'dense');
    assert.is((await decide('predict', { [known[0]]: 0.1 }))[0], 'csr');
    // Shaders of a storage, beside the best of them.
    const shaders = Object.keys(tuning).filter((key) => /shader f32_csr_.*columns$/.test(key));
    const own = shaders.find((key) => key.includes(guess!))!;
    assert.ok(shaders.length > 1 && shaders.every((key) => tuning[key] >= 1), shaders.join('\n'));
    const other = shaders.find((key) => key !== own)!, others = shaders.filter((key) => key !== own && key !== other);
    const table = Object.fromEntries([[own, 2], [other, 1], ...others.map((key) => [key, 3])]);
    assert.ok(other.includes((await decide('predict', { [known[0]]: 0.1, ...table }))[2]!), other);
    // What was never timed may be better than the guess, or not.
    assert.is((await decide('predict', { [known[0]]: 0.1, [other]: 1 }))[2], guess);
  });
}

test.run();
