import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import { Bench, wave } from './bench.ts';

// The window kernels at every width of a row, straight from their record: right, and within their memory.

const channels = 2;
const height = 5;

const kinds: Readonly<Record<string, (taps: readonly number[], weights: readonly number[], bias: number) => number>> = {
  f32_depthwise: (taps, weights, bias) => taps.reduce((sum, x, i) => sum + x * weights[i], bias),
  f32_depthwise_3x3: (taps, weights, bias) => taps.reduce((sum, x, i) => sum + x * weights[i], bias),
  f32_maxpool: (taps) => Math.max(...taps),
  f32_sumpool: (taps) => taps.reduce((sum, x) => sum + x, 0),
};

for (const simd of probe()) {
  const backend = await createWasm({ simd });
  for (const [kernel, plain] of Object.entries(kinds)) {
    test(`${kernel} at every width up to 40 (${simd})`, () => {
      const bench = new Bench(backend), weights = wave(channels * 9, 2), biases = wave(channels, 3);
      for (let outWidth = 1; outWidth <= 40; outWidth++) {
        const width = outWidth + 2, outHeight = height - 2, image = wave(channels * height * width, 1), area = outHeight * outWidth;
        const offsets = Uint32Array.from({ length: 9 }, (_, tap) => (Math.floor(tap / 3) * width + (tap % 3)) * 4);
        const got = bench.run(channels * area, (dst) => [{
          kernel,
          job: {
            src: bench.input(image), srcPlane: height * width * 4, dst, channels,
            multiplier: 1, outHeight, outWidth, rowStep: width * 4, taps: 9,
            offsets: bench.input(offsets), weights: bench.input(weights), bias: bench.input(biases), min: -Infinity, max: Infinity,
          },
        }], `${kernel} ${outWidth}`);
        got.forEach((value, at) => {
          const c = Math.floor(at / area), y = Math.floor((at % area) / outWidth), x = at % outWidth;
          const taps = Array.from(offsets, (offset) => image[(c * height + y) * width + x + offset / 4]);
          const want = plain(taps, Array.from(weights.subarray(c * 9, c * 9 + 9)), biases[c]);
          if (!(Math.abs(value - want) <= 1e-5)) {
            assert.unreachable(`${kernel} ${outWidth} wide [${c}, ${y}, ${x}]: expected ${want}, got ${value}`);
          }
        });
      }
    });
  }
}

test.run();
