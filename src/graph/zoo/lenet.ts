import type { Net, Value } from './builder.ts';

/** LeCun et al. (1998): 784-300-100-10. */
export function lenet300(net: Net, x: Value, classes: number): Value {
  x = net.flatten('flatten', x);
  x = net.relu('relu1', net.linear('fc1', x, 300));
  x = net.relu('relu2', net.linear('fc2', x, 100));
  return net.linear('fc3', x, classes);
}

/** The edition of Caffe: 20 and 50 filters of 5 × 5, and one ReLU only, after the first linear layer. */
export function lenet5(net: Net, x: Value, classes: number): Value {
  x = net.maxPool('pool1', net.conv('conv1', x, { out: 20, kernel: 5 }), { kernel: 2 });
  x = net.maxPool('pool2', net.conv('conv2', x, { out: 50, kernel: 5 }), { kernel: 2 });
  x = net.relu('relu1', net.linear('fc1', net.flatten('flatten', x), 500));
  return net.linear('fc2', x, classes);
}
