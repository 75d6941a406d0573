import type { Matrix } from '../formats/index.ts';
import type { Graph } from '../graph/graph.ts';
import { randomFrom } from '../random.ts';
import { Tensor, type Shape } from '../tensor.ts';

/** A layer of a real network: `filters` outputs of a square window over a square image, or a linear layer over `cols` vectors. */
export interface BenchLayer {
  readonly network: string;
  readonly layer: string;
  readonly kind: 'pointwise' | 'conv' | 'linear';
  readonly filters: number;
  readonly inputs: number;
  /** Rows and columns of the window, and its stride; 1 for a linear layer. */
  readonly kernel: number;
  readonly stride: number;
  /** Rows and columns of the input image; the number of vectors of a linear layer. */
  readonly size: number;
  /** Whether `--quick` runs it. */
  readonly quick: boolean;
  /** A weight with zeros of its own, [filters × inputs], for the mask `own`. Weights are made up where it is absent. */
  readonly weight?: Matrix;
}

/** The layer as the product C[M×N] = A[M×K]·B[K×N], with A the weight. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

type Size = Pick<BenchLayer, 'kind' | 'filters' | 'inputs' | 'kernel' | 'stride' | 'size'>;

const pointwise = (filters: number, inputs: number, size: number): Size =>
  ({ kind: 'pointwise', filters, inputs, kernel: 1, stride: 1, size });
const conv = (filters: number, inputs: number, size: number, kernel = 3, stride = 1): Size =>
  ({ kind: 'conv', filters, inputs, kernel, stride, size });
const linear = (filters: number, inputs: number, size: number): Size => ({ kind: 'linear', filters, inputs, kernel: 1, stride: 1, size });

type Row = readonly [layer: string, size: Size, quick?: 'quick'];

/** Layers by network, in its own names; shapes that repeat are listed once. */
const networks: Readonly<Record<string, readonly Row[]>> = {
  resnet50: [
    ['layer1.0.conv1', pointwise(64, 64, 56)],
    ['layer1.1.conv1', pointwise(64, 256, 56)],
    ['layer1.0.conv2', conv(64, 64, 56), 'quick'],
    ['layer1.0.conv3', pointwise(256, 64, 56)],
    ['layer2.0.conv2', conv(128, 128, 56, 3, 2)],
    ['layer2.1.conv1', pointwise(128, 512, 28), 'quick'],
    ['layer2.1.conv2', conv(128, 128, 28)],
    ['layer2.0.conv3', pointwise(512, 128, 28)],
    ['layer3.1.conv1', pointwise(256, 1024, 14)],
    ['layer3.1.conv2', conv(256, 256, 14)],
    ['layer3.0.conv3', pointwise(1024, 256, 14)],
    ['layer4.1.conv1', pointwise(512, 2048, 7)],
    ['layer4.1.conv2', conv(512, 512, 7)],
    ['layer4.0.conv3', pointwise(2048, 512, 7)],
    ['fc', linear(1000, 2048, 1), 'quick'],
  ],
  mobilenetv1: [
    ['conv2.pointwise', pointwise(64, 32, 112)],
    ['conv3.pointwise', pointwise(128, 64, 56)],
    ['conv4.pointwise', pointwise(128, 128, 56)],
    ['conv6.pointwise', pointwise(256, 256, 28)],
    ['conv8.pointwise', pointwise(512, 512, 14), 'quick'],
    ['conv14.pointwise', pointwise(1024, 1024, 7)],
  ],
  mobilenetv2: [
    ['block2.expand', pointwise(96, 16, 112)],
    ['block3.expand', pointwise(144, 24, 56)],
    ['block4.project', pointwise(32, 144, 28)],
    ['block7.project', pointwise(64, 192, 14)],
    ['block8.expand', pointwise(384, 64, 14)],
    ['block12.project', pointwise(96, 576, 14)],
    ['block15.expand', pointwise(960, 160, 7)],
    ['block15.project', pointwise(160, 960, 7)],
    ['head', pointwise(1280, 320, 7)],
  ],
  vgg16: [
    ['conv1_2', conv(64, 64, 224)],
    ['conv2_2', conv(128, 128, 112)],
    ['conv3_2', conv(256, 256, 56)],
    ['conv4_2', conv(512, 512, 28)],
    ['conv5_2', conv(512, 512, 14)],
    ['fc7', linear(4096, 4096, 1)],
  ],
  transformer: [
    ['attention', linear(768, 256, 128)],
    ['expand', linear(1024, 256, 128), 'quick'],
    ['project', linear(256, 1024, 128)],
    ['expand.one', linear(1024, 256, 1)],
    ['project.one', linear(256, 1024, 1)],
  ],
  facedetector: [
    ['expand.96', pointwise(32, 8, 96)],
    ['project.48', pointwise(16, 64, 48)],
    ['expand.48', pointwise(64, 16, 48)],
    ['expand.24', pointwise(128, 32, 24), 'quick'],
    ['project.24', pointwise(32, 128, 24)],
    ['expand.12', pointwise(192, 48, 12)],
    ['project.12', pointwise(48, 192, 12)],
    ['expand.6', pointwise(384, 96, 6)],
    ['project.6', pointwise(96, 384, 6)],
  ],
};

export const layers: readonly BenchLayer[] = Object.entries(networks).flatMap(([network, rows]) =>
  rows.map(([layer, size, quick]): BenchLayer => ({ network, layer, ...size, quick: quick === 'quick' })));

/** A matrix with zeros of its own, and where it is from. */
export interface NamedMatrix {
  readonly network: string;
  readonly name: string;
  readonly matrix: Matrix;
}

/** Vectors that a matrix is multiplied by at once. */
const MATRIX_BATCH = 128;

/** A matrix as linear layers: times one vector (`NAME.one`) and times a batch of 128. */
export function matrixLayers({ network, name, matrix }: NamedMatrix): BenchLayer[] {
  return ([[`${name}.one`, 1], [name, MATRIX_BATCH]] as const).map(([layer, size]): BenchLayer => (
    { network, layer, ...linear(matrix.rows, matrix.cols, size), quick: true, weight: matrix }
  ));
}

/** Dimensions of the product; the output of a convolution keeps the size of its input over the stride. */
export function productOf({ filters, inputs, kernel, stride, size, kind }: BenchLayer): Product {
  return { m: filters, k: inputs * kernel * kernel, n: kind === 'linear' ? size : Math.ceil(size / stride) ** 2 };
}

/** The layer alone as a network: `x` → `y` = max(0, W·x + b), with seeded weights `w` (He normal) and bias `b`. */
export function layerGraph(layer: BenchLayer): Graph {
  const { filters, inputs, kernel, stride, size, kind, network } = layer, { m, n, k } = productOf(layer);
  const random = randomFrom(1, `${network}.${layer.layer}`), pad = Math.floor(kernel / 2);
  const dims: Shape = kind === 'linear' ? [filters, inputs] : [filters, inputs, kernel, kernel];
  const window = { strides: [stride, stride], pads: [pad, pad, pad, pad] };
  return {
    name: `${network}.${layer.layer}`,
    inputs: [{ name: 'x', type: 'float32', dims: kind === 'linear' ? [size, inputs] : [1, inputs, size, size] }],
    outputs: [{ name: 'y', type: 'float32', dims: kind === 'linear' ? [n, m] : [1, m, Math.sqrt(n), Math.sqrt(n)] }],
    nodes: [{
      name: layer.layer, op: kind === 'linear' ? 'Linear' : 'Conv', inputs: ['x', 'w', 'b'], outputs: ['y'],
      attrs: { min: 0, ...(kind !== 'linear' && window) },
    }],
    constants: new Map([
      ['w', new Tensor('float32', random.normals(new Float32Array(m * k), Math.sqrt(2 / k)), dims)],
      ['b', new Tensor('float32', random.normals(new Float32Array(m), 0.1), [m])],
    ]),
  };
}
