import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import { Bench, wave } from './bench.ts';

// The window kernels at every width of a row, straight from their record: right, and within their memory.

const channels = 3;

type Plain = (taps: readonly number[], weights: readonly number[], bias: number) => number;
const sum: Plain = (taps, weights, bias) => taps.reduce((total, x, i) => total + x * weights[i], bias);
const largest: Plain = (taps) => Math.max(...taps);
/** With the factors of the test. */
const mean: Plain = (taps) => taps.reduce((total, x) => total + x, 0) / 4;

interface Kind {
  readonly kernel: string;
  readonly plain: Plain;
  readonly size: number;
  readonly stride: number;
  /** Reads planes as they are, with masks for what lies left and right of the image. */
  readonly masks?: true;
  readonly scale?: number;
  /** How often each weight lies in memory; 1 when absent. */
  readonly copies?: number;
}

const kinds: readonly Kind[] = [
  { kernel: 'f32_depthwise', plain: sum, size: 3, stride: 1 },
  { kernel: 'f32_depthwise', plain: sum, size: 5, stride: 1 },
  { kernel: 'f32_maxpool', plain: largest, size: 3, stride: 1 },
  { kernel: 'f32_sumpool', plain: mean, size: 3, stride: 1, scale: 1 / 4 },
  { kernel: 'f32_maxpool_strided', plain: largest, size: 2, stride: 2, masks: true },
  { kernel: 'f32_maxpool_strided', plain: largest, size: 3, stride: 2, masks: true },
  { kernel: 'f32_sumpool_strided', plain: mean, size: 2, stride: 2, scale: 1 / 4, masks: true },
  { kernel: 'f32_sumpool_strided', plain: mean, size: 3, stride: 2, scale: 1 / 4, masks: true },
  { kernel: 'f32_depthwise_3x3', plain: sum, size: 3, stride: 1, masks: true },
  { kernel: 'f32_depthwise_strided_3x3', plain: sum, size: 3, stride: 2, masks: true },
  { kernel: 'f32_depthwise_5x5', plain: sum, size: 5, stride: 1, masks: true, copies: 4 },
];

interface Geometry {
  readonly outWidth: number;
  readonly height: number;
  readonly top: number;
  readonly left: number;
  readonly below: number;
  /** Pixels by which the image is wider than the one that ends where the last tap lies, or `left` earlier. */
  readonly wider: number;
}

interface Image extends Geometry { readonly width: number; readonly outHeight: number; readonly image: Float32Array }

/** What one kernel must give for an image: taps outside are left out. */
function expected({ size, stride, plain }: Kind, { image, ...g }: Image, weights: Float32Array): number[] {
  const want: number[] = [];
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < g.outHeight; y++) {
      for (let x = 0; x < g.outWidth; x++) {
        const taps: number[] = [], used: number[] = [];
        for (let tap = 0; tap < size * size; tap++) {
          const iy = y * stride - g.top + Math.floor(tap / size), ix = x * stride - g.left + (tap % size);
          if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
          taps.push(image[(c * g.height + iy) * g.width + ix]);
          used.push(weights[c * size * size + tap]);
        }
        want.push(plain(taps, used, bias(c)));
      }
    }
  }
  return want;
}

const bias = (c: number): number => 0.1 + c / 8;

function check(bench: Bench, kind: Kind, g: Geometry): void {
  const { kernel, size, stride, scale, copies = 1 } = kind, { outWidth, height, top, left, below } = g;
  const width = (outWidth - 1) * stride + size - 2 * left + g.wider, outHeight = Math.floor((height + top + below - size) / stride) + 1;
  const image = wave(channels * height * width, 1), weights = wave(channels * size * size, 2), area = outHeight * outWidth;
  const where = `${kernel} of ${size}, ${outWidth} from ${width} wide, ${height} high, pads ${top} ${left} ${below}`;
  const masks = Int32Array.from({ length: size * outWidth }, (_, i) => {
    const x = (i % outWidth) * stride + Math.floor(i / outWidth) - left;
    return x >= 0 && x < width ? -1 : 0;
  });
  const offsets = Uint32Array.from({ length: size * size }, (_, tap) => (Math.floor(tap / size) * width + (tap % size)) * 4);
  const got = bench.run(channels * area, (dst) => {
    const allBiases = Float32Array.from({ length: channels }, (_, c) => bias(c));
    const repeated = Float32Array.from({ length: weights.length * copies }, (_, i) => weights[Math.floor(i / copies)]);
    const [src, packed, biases] = [image, repeated, allBiases].map((data) => bench.input(data));
    const factors = scale ? bench.input(new Float32Array(area).fill(scale)) : 0;
    const common = {
      srcPlane: height * width * 4, multiplier: 1, outHeight, outWidth, height, rowBytes: width * 4, top, left,
      strideY: stride, dilationY: 1, kernelHeight: size, kernelWidth: size,
      masks: bench.input(masks), offsets: bench.input(offsets), scale: factors, min: -Infinity, max: Infinity,
    };
    // The last channel first: a plane that was written too far would show in the one after it.
    return Array.from({ length: channels }, (_, i) => channels - 1 - i).map((c) => ({
      kernel, job: {
        ...common, channels: 1, src: src + c * height * width * 4, dst: dst + c * area * 4,
        weights: packed + c * size * size * 4 * copies, bias: biases + c * 4,
      },
    }));
  }, where);
  expected(kind, { ...g, width, outHeight, image }, weights).forEach((want, at) => {
    if (!(Math.abs(got[at] - want) <= 1e-5)) assert.unreachable(`${where} [${at}]: expected ${want}, got ${got[at]}`);
  });
}

for (const simd of probe()) {
  const backend = await createWasm({ simd });
  for (const kind of kinds) {
    test(`${kind.kernel} of ${kind.size} at every width up to 40 (${simd})`, () => {
      const bench = new Bench(backend), pads = kind.masks ? [0, 1, Math.floor(kind.size / 2)] : [0];
      for (let outWidth = kind.masks ? 4 : 1; outWidth <= 40; outWidth++) {
        for (const left of pads) {
          for (const wider of kind.masks ? [0, left ? 1 : -1] : [0]) {
            if ((outWidth - 1) * kind.stride + kind.size - 2 * left + wider < 1) continue;
            for (const height of [5, 6, 9]) {
              for (const top of [0, 1]) check(bench, kind, { outWidth, height, top, left, below: (height + left) % 2, wider });
            }
          }
        }
      }
    });
  }
}

test.run();
