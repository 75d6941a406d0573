// What bench/webgpu runs: shapes for its shaders, ways to store their weights, and layers and networks for a race with other engines.
import type { Block } from '../src/formats/index.ts';
import type { ConvWindow } from '../src/graph/ops/window.ts';
import { layers, productOf, type BenchLayer } from '../src/measure/layers.ts';
import { randomFrom } from '../src/random.ts';

/** C[M×N] = A[M×K]·B[K×N]; with a window, B is what it sees of an image. */
export interface Shape {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly window?: ConvWindow;
}

/** A way to store weights, and the shares of them that are kept. */
export interface Way {
  readonly name: string;
  readonly format: string;
  readonly block?: Block;
  /** Rows that are kept together; each is tried. */
  readonly lanes: readonly number[];
  readonly densities: readonly number[];
}

const conv = (name: string, channels: number, size: number, kernel: number): Shape => {
  const pad = (kernel - 1) / 2;
  const window: ConvWindow = {
    batch: 1, inputs: channels, filters: channels, group: 1, kernel: [kernel, kernel], strides: [1, 1], dilations: [1, 1],
    pads: [pad, pad, pad, pad], in: [size, size], out: [size, size],
  };
  return { name, m: channels, k: channels * kernel * kernel, n: size * size, window };
};

/** For a software adapter, and for one that is faster by orders of magnitude. */
export type Scale = 'small' | 'large';

export const shapes: Readonly<Record<Scale, readonly Shape[]>> = {
  small: [
    { name: '64x1024x128', m: 64, k: 1024, n: 128 }, { name: '256x1024x256', m: 256, k: 1024, n: 256 },
    conv('conv 3x3 32 at 16', 32, 16, 3), conv('conv 3x3 64 at 14', 64, 14, 3), conv('conv 3x3 128 at 14', 128, 14, 3),
  ],
  large: [
    { name: '256x256x3136', m: 256, k: 256, n: 3136 }, { name: '1024x1024x1024', m: 1024, k: 1024, n: 1024 },
    { name: '4096x4096x4096', m: 4096, k: 4096, n: 4096 }, { name: '1000x2048x1', m: 1000, k: 2048, n: 1 },
    conv('conv 3x3 64 at 56', 64, 56, 3), conv('conv 3x3 256 at 14', 256, 14, 3), conv('conv 3x3 512 at 7', 512, 7, 3),
  ],
};

const sparse = [0.5, 0.25, 0.125];
const of = (rows: number, cols: number): Omit<Way, 'name'> =>
  ({ format: 'bsr', block: { rows, cols }, lanes: [4, 8].filter((lanes) => rows % lanes === 0), densities: [1, ...sparse] });

/** A block is kept or dropped whole, a window of 32 columns keeps as many columns in all rows. */
export const ways: readonly Way[] = [
  ...[1, 4, 8].map((lanes): Way => ({ name: `dense of ${lanes}`, format: 'dense', lanes: [lanes], densities: [1] })),
  { name: 'csr', format: 'csr', lanes: [1], densities: [1, ...sparse] },
  { name: 'bsr 4x1', ...of(4, 1) }, { name: 'bsr 16x16', ...of(16, 16) }, { name: 'bsr 32x32', ...of(32, 32) },
  { name: 'vectors of 32, n:32', ...of(32, 1) }, { name: 'vectors of 64, n:32', ...of(64, 1) },
  { name: 'nm n:4', format: 'nm', block: { rows: 1, cols: 1, keep: 4, of: 4 }, lanes: [1], densities: [1, 0.5, 0.25] },
];

/**
 * Weights of which every row of blocks keeps the same share of each window, as far as blocks can be counted: of a window that K ends,
 * the share of what is left of it.
 */
export function weights({ m, k }: Shape, { block = { rows: 1, cols: 1 } }: Way, density: number): Float32Array {
  const random = randomFrom(m + k, 'bench'), values = random.normals(new Float32Array(m * k), 1 / Math.sqrt(k));
  const window = block.of ?? 32 * block.cols;
  for (let row = 0; row < m; row += block.rows) {
    for (let first = 0; first < k; first += window) {
      const per = Math.ceil(Math.min(window, k - first) / block.cols), keep = Math.round(per * density);
      const order = Array.from({ length: per }, (_, i) => ({ i, at: random.next() })).sort((a, b) => a.at - b.at);
      for (const { i } of order.slice(keep)) {
        for (let r = row; r < Math.min(row + block.rows, m); r++) {
          for (let c = first + i * block.cols, end = Math.min(c + block.cols, k); c < end; c++) values[r * k + c] = 0;
        }
      }
    }
  }
  return values;
}

/** Multiply-adds of a layer that a software adapter does in some tenths of a second, in whatever engine. */
const SMALL_MACS = { pointwise: 8e6, conv: 8e6, linear: 2.6e7 };
const macsOf = (layer: BenchLayer): number => {
  const { m, n, k } = productOf(layer);
  return m * n * k;
};

/** Of the bench list no layer with a window is this small. */
const smallConvs: readonly BenchLayer[] = [
  { network: 'resnet20', layer: 'conv3x3.16', kind: 'conv', filters: 16, inputs: 16, kernel: 3, stride: 1, size: 32, quick: false },
  { network: 'resnet20', layer: 'conv3x3.32', kind: 'conv', filters: 32, inputs: 32, kernel: 3, stride: 1, size: 16, quick: false },
  { network: 'resnet20', layer: 'conv3x3.64', kind: 'conv', filters: 64, inputs: 64, kernel: 3, stride: 1, size: 8, quick: false },
  { network: 'resnet20', layer: 'conv3x3.64.s2', kind: 'conv', filters: 64, inputs: 32, kernel: 3, stride: 2, size: 16, quick: false },
];

/** Dense layers that other engines run too: of each network those that fit the scale. */
export const raceLayers: Readonly<Record<Scale, readonly BenchLayer[]>> = {
  small: [...layers.filter((layer) => macsOf(layer) <= SMALL_MACS[layer.kind]), ...smallConvs],
  large: layers,
};

/** Whole networks: files that packages bring, by their names in bench/files, and networks of the zoo at an input size. */
export type RaceNetwork =
  | { readonly name: string; readonly file: string } | { readonly name: string; readonly zoo: string; readonly input: number };

export const raceNetworks: Readonly<Record<Scale, readonly RaceNetwork[]>> = {
  small: [
    { name: 'MediaPipe face detector', file: 'face_detection_full_range' }, { name: 'MobileNetV1 at 96', zoo: 'mobilenetv1', input: 96 },
    { name: 'ResNet-20 (CIFAR)', zoo: 'resnet20-cifar', input: 32 },
  ],
  large: [
    { name: 'MediaPipe face detector', file: 'face_detection_full_range' }, { name: 'MobileNetV1', zoo: 'mobilenetv1', input: 224 },
    { name: 'ResNet-50', zoo: 'resnet50', input: 224 }, { name: 'VGG-16', zoo: 'vgg16', input: 224 },
  ],
};
