import type { Graph } from '../graph/graph.ts';
import { prune, type PruneOptions } from '../prune/index.ts';
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
}

/** The layer as the product C[M×N] = A[M×K]·B[K×N], with A the weight. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** One layer with one mask: what a sparse kernel is tested and timed on. */
export interface BenchCase {
  readonly name: string;
  readonly layer: BenchLayer;
  /** A key of `masks`. */
  readonly mask: MaskName;
  /** Fraction of weights to drop, 0…1. */
  readonly sparsity: number;
  readonly quick: boolean;
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

interface Mask {
  readonly how: PruneOptions;
  /** Input channels must be a multiple of this: the mask reaches along them. */
  readonly of: number;
  /** The sparsity, where the mask decides it. */
  readonly fixed?: number;
  readonly quick?: true;
}

/** Masks by the shape of what they keep or drop together: single weights, rows × columns of the weight, N kept of M. */
export const masks = {
  'unstructured': { how: { granularity: 'weight' }, of: 1, quick: true },
  '2x1': { how: { granularity: 'block_rows(2)' }, of: 1 },
  '4x1': { how: { granularity: 'block_rows(4)' }, of: 1, quick: true },
  '6x1': { how: { granularity: 'block_rows(6)' }, of: 1 },
  '4x4': { how: { granularity: 'block(4,4)' }, of: 4 },
  '2:4': { how: { scope: '2:4' }, of: 4, fixed: 0.5, quick: true },
  '1:4': { how: { scope: '1:4' }, of: 4, fixed: 0.75 },
} as const satisfies Record<string, Mask>;

export type MaskName = keyof typeof masks;

export const sparsities = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98] as const;
const quickSparsities: readonly number[] = [0.7, 0.9];

/** Dimensions of the product; the output of a convolution keeps the size of its input over the stride. */
export function productOf({ filters, inputs, kernel, stride, size, kind }: BenchLayer): Product {
  return { m: filters, k: inputs * kernel * kernel, n: kind === 'linear' ? size : Math.ceil(size / stride) ** 2 };
}

function casesOf(layer: BenchLayer): BenchCase[] {
  return Object.entries(masks as Record<MaskName, Mask>).flatMap(([name, { of, fixed, quick }]) => {
    if (layer.inputs % of !== 0) return [];
    return (fixed === undefined ? sparsities : [fixed]).map((sparsity): BenchCase => ({
      name: `${layer.network}.${layer.layer} ${name} ${sparsity}`,
      layer, mask: name as MaskName, sparsity,
      quick: layer.quick && quick === true && (fixed !== undefined || quickSparsities.includes(sparsity)),
    }));
  });
}

/** Every layer × mask × sparsity, layer by layer. */
export const cases: readonly BenchCase[] = layers.flatMap(casesOf);

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

/** The graph with the mask of a case applied to its weight. */
export function maskedGraph(graph: Graph, { mask, sparsity }: Pick<BenchCase, 'mask' | 'sparsity'>): Graph {
  const { how, fixed }: Mask = masks[mask];
  return prune(graph, { ...how, ...(fixed === undefined && { sparsity }) }).graph;
}
