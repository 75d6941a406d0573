import { caseOf, fitsMask, layers, type BenchCase, type BenchLayer, type MaskName } from '../src/measure/cases.ts';
import { fail } from '../src/expect.ts';

type Plan = readonly (readonly [mask: MaskName, sparsities: readonly number[]])[];

/** Where a mask is measured; of large blocks one sparsity is enough. */
const plan: Plan = [
  ['unstructured', [0.5, 0.7, 0.8, 0.9, 0.95, 0.98]],
  ['2x1', [0.5, 0.8, 0.9]],
  ['4x1', [0.5, 0.8, 0.9]],
  ['6x1', [0.5, 0.8, 0.9]],
  ['4x4', [0.5, 0.8, 0.95]],
  ['8x8', [0.8]],
  ['16x16', [0.8]],
  ['32x32', [0.8]],
  ['2:4', [0.5]],
  ['1:4', [0.75]],
  ['2:4v4', [0.5]],
  ['1:4v4', [0.75]],
  ['4x1+3%', [0.9]],
];

/** For layers that take long. */
const shortPlan: Plan = [['unstructured', [0.7, 0.9, 0.95, 0.98]], ['4x1', [0.8]], ['4x4', [0.8]], ['2:4', [0.5]]];
/** Where sparse and dense cross. */
const crossingPlan: Plan = [['unstructured', [0.1, 0.15, 0.2, 0.3]]];

/** For products with one vector, which cost little arithmetic and much memory. */
const vectorPlan: Plan = [
  ['unstructured', [0.5, 0.7, 0.8, 0.9, 0.95, 0.98]],
  ['4x1', [0.5, 0.8, 0.9]],
  ['4x4', [0.5, 0.8, 0.95]],
];

const named = (name: string): BenchLayer => layers.find(({ network, layer }) => `${network}.${layer}` === name)
  ?? fail({ kind: 'argument', where: 'bench/target-cases', needs: 'a layer of the bench list', got: name });

/** Layers of every network and size: 3x3 and 1x1, large and small maps, few and many channels. */
const matrices = [
  'resnet50.layer2.1.conv2', 'resnet50.layer2.1.conv1', 'mobilenetv1.conv8.pointwise', 'facedetector.expand.24', 'transformer.expand',
  'mobilenetv1.conv14.pointwise', 'mobilenetv2.block8.expand',
].map(named);
const crossing = matrices.slice(0, 5);
const large = [
  'resnet50.layer1.0.conv2', 'resnet50.layer3.1.conv2', 'resnet50.layer4.1.conv2', 'resnet50.layer3.0.conv3',
  'mobilenetv1.conv4.pointwise',
].map(named);
const vectors = ['resnet50.fc', 'transformer.project.one'].map(named);
/** Large layers, for the ceiling of dense kernels only. */
const onlyDense = ['resnet50.layer3.1.conv1', 'mobilenetv1.conv6.pointwise', 'vgg16.conv4_2'].map(named);
/** Where both binaries are compared. */
const both = [matrices[0], matrices[2], matrices[3]];
const bothPlan: Plan = [['unstructured', [0.7, 0.9]], ['4x1', [0.8]], ['4x4', [0.8]]];

const casesFor = (list: readonly BenchLayer[], how: Plan): BenchCase[] => list.flatMap((layer) =>
  how.filter(([mask]) => fitsMask(layer, mask)).flatMap(([mask, at]) => at.map((sparsity) => caseOf(layer, mask, sparsity))));

/** The fixed list that the targets are judged by. */
export const targetCases: readonly BenchCase[] = [
  // Without zeros to skip only dense kernels are timed.
  ...onlyDense.map((layer) => caseOf(layer, 'unstructured', 0)),
  ...casesFor(matrices, plan), ...casesFor(crossing, crossingPlan), ...casesFor(large, shortPlan), ...casesFor(vectors, vectorPlan),
];

/** A short list for what is measured with both binaries. */
export const bothCases: readonly BenchCase[] = casesFor(both, bothPlan);

/** Layers that are run in other engines too, dense. */
export const peerLayers: readonly BenchLayer[] = [...matrices, ...large, ...vectors];
