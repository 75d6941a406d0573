import type { Net, Value } from './builder.ts';

interface Block {
  readonly width: number;
  readonly stride: number;
}

/** He et al. (2015). `expansion`: output channels over width. */
interface Residual {
  readonly expansion: number;
  readonly branch: (net: Net, name: string, x: Value, block: Block) => Value;
}

const basic: Residual = { expansion: 1, branch: basicBranch };
const bottleneck: Residual = { expansion: 4, branch: bottleneckBranch };

function basicBranch(net: Net, name: string, x: Value, { width, stride }: Block): Value {
  x = net.conv(`${name}.conv1`, x, { out: width, kernel: 3, stride, pad: 1, bias: false });
  x = net.relu(`${name}.relu1`, net.bn(`${name}.bn1`, x));
  x = net.conv(`${name}.conv2`, x, { out: width, kernel: 3, pad: 1, bias: false });
  return net.bn(`${name}.bn2`, x);
}

/** The stride is at the 3 × 3 convolution, as in torchvision ("ResNet 1.5"). */
function bottleneckBranch(net: Net, name: string, x: Value, { width, stride }: Block): Value {
  x = net.conv(`${name}.conv1`, x, { out: width, bias: false });
  x = net.relu(`${name}.relu1`, net.bn(`${name}.bn1`, x));
  x = net.conv(`${name}.conv2`, x, { out: width, kernel: 3, stride, pad: 1, bias: false });
  x = net.relu(`${name}.relu2`, net.bn(`${name}.bn2`, x));
  x = net.conv(`${name}.conv3`, x, { out: 4 * width, bias: false });
  return net.bn(`${name}.bn3`, x);
}

/** A branch and its shortcut: the input itself, or (option B) a 1 × 1 convolution where the shape changes. */
function residualBlock(net: Net, name: string, x: Value, block: Block & { kind: Residual }): Value {
  const out = block.width * block.kind.expansion;
  const branch = block.kind.branch(net, name, x, block);
  const same = block.stride === 1 && x.dims[1] === out;
  const downsampled = (): Value => net.conv(`${name}.downsample.0`, x, { out, stride: block.stride, bias: false });
  const shortcut = same ? x : net.bn(`${name}.downsample.1`, downsampled());
  return net.relu(`${name}.relu`, net.add(`${name}.add`, branch, shortcut));
}

function stages(net: Net, x: Value, { kind, widths, depths }: { kind: Residual; widths: number[]; depths: number[] }): Value {
  widths.forEach((width, stage) => {
    for (let i = 0; i < depths[stage]; i++) {
      x = residualBlock(net, `layer${stage + 1}.${i}`, x, { kind, width, stride: stage > 0 && i === 0 ? 2 : 1 });
    }
  });
  return x;
}

function head(net: Net, x: Value, classes: number): Value {
  return net.linear('fc', net.flatten('flatten', net.globalPool('avgpool', x)), classes);
}

function imagenet(net: Net, x: Value, options: { kind: Residual; depths: number[]; classes: number }): Value {
  x = net.conv('conv1', x, { out: 64, kernel: 7, stride: 2, pad: 3, bias: false });
  x = net.relu('relu', net.bn('bn1', x));
  x = net.maxPool('maxpool', x, { kernel: 3, stride: 2, pad: 1 });
  return head(net, stages(net, x, { ...options, widths: [64, 128, 256, 512] }), options.classes);
}

/** torchvision's resnet18. */
export function resnet18(net: Net, x: Value, classes: number): Value {
  return imagenet(net, x, { kind: basic, depths: [2, 2, 2, 2], classes });
}

/** torchvision's resnet50. */
export function resnet50(net: Net, x: Value, classes: number): Value {
  return imagenet(net, x, { kind: bottleneck, depths: [3, 4, 6, 3], classes });
}

/** The CIFAR network of section 4.2 with convolutions in its shortcuts (option B). */
export function resnet20(net: Net, x: Value, classes: number): Value {
  x = net.relu('relu', net.bn('bn1', net.conv('conv1', x, { out: 16, kernel: 3, pad: 1, bias: false })));
  return head(net, stages(net, x, { kind: basic, widths: [16, 32, 64], depths: [3, 3, 3] }), classes);
}
