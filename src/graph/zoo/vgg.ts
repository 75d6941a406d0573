import { expect } from '../../expect.ts';
import type { Net, Value } from './builder.ts';

/** Simonyan and Zisserman (2014), configuration D: filters of the 3 × 3 convolutions, 0 for a pool. */
const configurationD = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0];

/** torchvision's `features`, whose modules are numbered: convolution, (batch normalisation,) ReLU, pool. */
function features(net: Net, x: Value, normalised: boolean): Value {
  let index = 0;
  const name = (): string => `features.${index++}`;
  for (const out of configurationD) {
    if (out === 0) {
      x = net.maxPool(name(), x, { kernel: 2 });
      continue;
    }
    x = net.conv(name(), x, { out, kernel: 3, pad: 1 });
    if (normalised) x = net.bn(name(), x);
    x = net.relu(name(), x);
  }
  return x;
}

/** torchvision's vgg16. Its adaptive pooling to 7 × 7 is a plain one only for inputs that are multiples of 224. */
export function vgg16(net: Net, x: Value, classes: number): Value {
  const side = x.dims[2];
  expect(side % 224 === 0, {
    kind: 'shape', where: 'zoo vgg16', needs: 'an input of 224 or a multiple', got: `${side}`, remedy: 'take vgg16-cifar for small images',
  });
  x = net.averagePool('avgpool', features(net, x, false), { kernel: side / 224 });
  x = net.flatten('flatten', x);
  x = net.relu('classifier.1', net.linear('classifier.0', x, 4096));
  x = net.relu('classifier.4', net.linear('classifier.3', x, 4096));
  return net.linear('classifier.6', x, classes);
}

/** The edition of ShrinkBench: batch normalisation everywhere and a hidden linear layer of 512. */
export function vgg16Cifar(net: Net, x: Value, classes: number): Value {
  x = net.flatten('flatten', features(net, x, true));
  x = net.relu('classifier.2', net.bn('classifier.1', net.linear('classifier.0', x, 512)));
  return net.linear('classifier.3', x, classes);
}

/** Batch normalisation and one linear layer. */
export function vgg16BnCifar(net: Net, x: Value, classes: number): Value {
  return net.linear('classifier', net.flatten('flatten', features(net, x, true)), classes);
}
