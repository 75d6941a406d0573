import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openGpuPage, type GpuPage } from '../../bench/webgpu-browser.ts';
import { hasChromium } from './chromium.ts';

const test = suite<{ page?: GpuPage }>('bench of WebGPU in a page');
const said: string[] = [];

test.before(async (context) => {
  if (!hasChromium('the bench of WebGPU')) return;
  context.page = await openGpuPage((line) => said.push(line));
  const { adapter, where } = await context.page.ask('open', context.page.runtime, context.page.wasm);
  assert.is(where, 'Chromium');
  assert.ok(adapter.length > 0);
});

test.after(({ page }) => page?.close());

test('other engines run a layer on WebGPU and give our outputs', async ({ page }) => {
  if (!page) return;
  for (const name of ['facedetector.project.12', 'resnet20.conv3x3.64.s2']) {
    const rows = await page.ask('layer', 'small', name, 1);
    assert.equal(rows.map(({ engine }) => engine), ['burin', 'onnxruntime-web', 'tfjs-webgpu'], said.join('; '));
    for (const { version } of rows.slice(1)) assert.match(version, /^\d+\.\d+/);
    for (const { medianMs, maxError, gflops } of rows) assert.ok(medianMs > 0 && maxError < 1e-3 && gflops > 0);
    assert.match(rows[0].shader!, /^f32_dense_/);
  }
  assert.equal(said, []);
});

test('shaders of a shape are held against the dense ones', async ({ page }) => {
  if (!page) return;
  const rows = await page.ask('shaders', 'small', 'conv 3x3 32 at 16', { way: 'bsr 32x32', shader: 'matmul_conv_4_32x128' });
  assert.equal(
    rows.map(({ shader, density }) => `${shader} ${density}`),
    ['f32_dense_matmul_conv_4_32x128 1', ...[1, 0.5, 0.25, 0.125].map((density) => `f32_bsr_matmul_conv_4_32x128 ${density}`)],
  );
  assert.ok(rows.every(({ ms, ofDense, maxError }) => ms > 0 && ofDense! > 0 && maxError < 1e-4));
  assert.ok(rows.slice(2).every(({ ofIdentity }) => ofIdentity! > 0));
});

test.run();
