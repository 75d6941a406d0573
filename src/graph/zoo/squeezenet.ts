import type { Net, Value } from './builder.ts';

/** A fire module of Iandola et al. (2016): squeeze to `s` channels, expand to `e` by 1 × 1 and `e` by 3 × 3. */
function fire(net: Net, name: string, x: Value, [s, e]: readonly [number, number]): Value {
  const squeezed = net.relu(`${name}.squeeze_activation`, net.conv(`${name}.squeeze`, x, { out: s }));
  const narrow = net.relu(`${name}.expand1x1_activation`, net.conv(`${name}.expand1x1`, squeezed, { out: e }));
  const wide = net.relu(`${name}.expand3x3_activation`, net.conv(`${name}.expand3x3`, squeezed, { out: e, kernel: 3, pad: 1 }));
  return net.concat(`${name}.concat`, [narrow, wide]);
}

interface Edition {
  readonly stem: { readonly out: number; readonly kernel: number };
  /** Numbers of the modules of `features` that pool; the others are the fires, in order. */
  readonly pools: readonly number[];
}

const fires = [[16, 64], [16, 64], [32, 128], [32, 128], [48, 192], [48, 192], [64, 256], [64, 256]] as const;

function squeezenet(net: Net, x: Value, classes: number, { stem, pools }: Edition): Value {
  x = net.relu('features.1', net.conv('features.0', x, { ...stem, stride: 2 }));
  let next = 0;
  for (let index = 2; index < 2 + pools.length + fires.length; index++) {
    const name = `features.${index}`;
    x = pools.includes(index) ? net.maxPool(name, x, { kernel: 3, stride: 2, ceil: true }) : fire(net, name, x, fires[next++]);
  }
  x = net.relu('classifier.2', net.conv('classifier.1', x, { out: classes }));
  return net.flatten('flatten', net.globalPool('classifier.3', x));
}

/** torchvision's squeezenet1_0. */
export function squeezenet10(net: Net, x: Value, classes: number): Value {
  return squeezenet(net, x, classes, { stem: { out: 96, kernel: 7 }, pools: [2, 6, 11] });
}

/** torchvision's squeezenet1_1. */
export function squeezenet11(net: Net, x: Value, classes: number): Value {
  return squeezenet(net, x, classes, { stem: { out: 64, kernel: 3 }, pools: [2, 5, 8] });
}
