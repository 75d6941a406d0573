import type { ConvOptions, Net, Value } from './builder.ts';

type Activation = (net: Net, name: string, x: Value) => Value;
const relu: Activation = (net, name, x) => net.relu(name, x);
const relu6: Activation = (net, name, x) => net.relu6(name, x);

/** Convolution, batch normalisation, activation: modules `.0`, `.1`, `.2`. */
function convBn(net: Net, name: string, x: Value, options: ConvOptions & { activation: Activation }): Value {
  const normalised = net.bn(`${name}.1`, net.conv(`${name}.0`, x, { ...options, bias: false }));
  return options.activation(net, `${name}.2`, normalised);
}

/** Output channels and stride of the thirteen separable convolutions of Howard et al. (2017). */
const separable = [
  [64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [512, 2],
  [512, 1], [512, 1], [512, 1], [512, 1], [512, 1], [1024, 2], [1024, 1],
] as const;

/** MobileNetV1 in width 1. torchvision has none; the names follow its MobileNetV2, the activation is ReLU as in the paper. */
export function mobilenetv1(net: Net, x: Value, classes: number): Value {
  x = convBn(net, 'features.0', x, { out: 32, kernel: 3, stride: 2, pad: 1, activation: relu });
  separable.forEach(([out, stride], i) => {
    const name = `features.${i + 1}`;
    x = convBn(net, `${name}.0`, x, { out: x.dims[1], kernel: 3, stride, pad: 1, groups: x.dims[1], activation: relu });
    x = convBn(net, `${name}.1`, x, { out, activation: relu });
  });
  return net.linear('classifier', net.flatten('flatten', net.globalPool('avgpool', x)), classes);
}

/** Expansion, output channels, repeats, first stride: table 2 of Sandler et al. (2018). */
const bottlenecks = [
  [1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1],
] as const;

interface Bottleneck {
  readonly expansion: number;
  readonly out: number;
  readonly stride: number;
}

function invertedResidual(net: Net, name: string, input: Value, { expansion, out, stride }: Bottleneck): Value {
  const channels = input.dims[1];
  const hidden = channels * expansion;
  let index = 0;
  const next = (): string => `${name}.conv.${index++}`;
  let x = input;
  if (expansion !== 1) x = convBn(net, next(), x, { out: hidden, activation: relu6 });
  x = convBn(net, next(), x, { out: hidden, kernel: 3, stride, pad: 1, groups: hidden, activation: relu6 });
  x = net.conv(next(), x, { out, bias: false });
  x = net.bn(next(), x);
  return stride === 1 && channels === out ? net.add(`${name}.add`, input, x) : x;
}

/** torchvision's mobilenet_v2. */
export function mobilenetv2(net: Net, x: Value, classes: number): Value {
  x = convBn(net, 'features.0', x, { out: 32, kernel: 3, stride: 2, pad: 1, activation: relu6 });
  let index = 1;
  for (const [expansion, out, repeats, first] of bottlenecks) {
    for (let i = 0; i < repeats; i++) x = invertedResidual(net, `features.${index++}`, x, { expansion, out, stride: i === 0 ? first : 1 });
  }
  x = convBn(net, `features.${index}`, x, { out: 1280, activation: relu6 });
  return net.linear('classifier.1', net.flatten('flatten', net.globalPool('avgpool', x)), classes);
}
