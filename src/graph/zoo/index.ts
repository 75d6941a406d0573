import { expect, lookUp, show } from '../../expect.ts';
import type { Graph } from '../graph.ts';
import { buildGraph, type Net, type Value } from './builder.ts';
import { lenet300, lenet5 } from './lenet.ts';
import { mobilenetv1, mobilenetv2 } from './mobilenet.ts';
import { resnet18, resnet20, resnet50 } from './resnet.ts';
import { squeezenet10, squeezenet11 } from './squeezenet.ts';
import { vgg16, vgg16BnCifar, vgg16Cifar } from './vgg.ts';

/** A network of the zoo: what it takes by default, and its layers in torchvision's names. */
export interface ZooEntry {
  readonly title: string;
  /** Channels of the input image. */
  readonly channels: number;
  /** Rows and columns of the input image. */
  readonly input: number;
  readonly classes: number;
  readonly layers: (net: Net, x: Value, classes: number) => Value;
}

export interface ZooOptions {
  /** The weights are random (He normal); the same seed gives the same weights. Default 0. */
  readonly seed?: number;
  /** Rows and columns of the input image. */
  readonly input?: number;
  readonly classes?: number;
}

const mnist = { channels: 1, input: 28, classes: 10 };
const cifar = { channels: 3, input: 32, classes: 10 };
const imagenet = { channels: 3, input: 224, classes: 1000 };

/** The networks the pruning literature measures on. */
export const zoo = {
  'lenet-300-100': { title: 'LeNet-300-100', ...mnist, layers: lenet300 },
  'lenet-5-caffe': { title: 'LeNet-5 (Caffe)', ...mnist, layers: lenet5 },
  'vgg16': { title: 'VGG16', ...imagenet, layers: vgg16 },
  'vgg16-cifar': { title: 'VGG16 for CIFAR, two linear layers, batch normalisation', ...cifar, layers: vgg16Cifar },
  'vgg16-bn-cifar': { title: 'VGG16 for CIFAR, one linear layer, batch normalisation', ...cifar, layers: vgg16BnCifar },
  'resnet18': { title: 'ResNet-18', ...imagenet, layers: resnet18 },
  'resnet20-cifar': { title: 'ResNet-20 for CIFAR', ...cifar, layers: resnet20 },
  'resnet50': { title: 'ResNet-50', ...imagenet, layers: resnet50 },
  'mobilenetv1': { title: 'MobileNetV1', ...imagenet, layers: mobilenetv1 },
  'mobilenetv2': { title: 'MobileNetV2', ...imagenet, layers: mobilenetv2 },
  'squeezenet1.0': { title: 'SqueezeNet 1.0', ...imagenet, layers: squeezenet10 },
  'squeezenet1.1': { title: 'SqueezeNet 1.1', ...imagenet, layers: squeezenet11 },
} satisfies Record<string, ZooEntry>;

export type ZooName = keyof typeof zoo;

/**
 * The network `name` with seeded random weights: input `input` [1, channels, rows, columns], output `scores` [1, classes].
 * @throws BurinError `argument` for an unknown name (lists the names) or senseless options, `shape` for an input too small.
 */
export function zooGraph(name: ZooName | (string & {}), options: ZooOptions = {}): Graph {
  const entry = lookUp<ZooEntry>(zoo, name, 'zoo');
  const { seed = 0, input = entry.input, classes = entry.classes } = options;
  for (const [option, value] of Object.entries({ input, classes })) {
    const where = `zoo ${name}, option ${option}`;
    expect(Number.isInteger(value) && value >= 1, { kind: 'argument', where, needs: 'a whole number of 1 or more', got: show(value) });
  }
  return buildGraph({ name, seed, input: [1, entry.channels, input, input], layers: (net, x) => entry.layers(net, x, classes) });
}
