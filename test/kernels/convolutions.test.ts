import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm, probe } from '../../src/backends/wasm.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { opOf } from '../../src/graph/ops/index.ts';
import { operationOf, Site } from '../../src/measure/site.ts';
import { randomFrom } from '../../src/random.ts';
import { choicesFor } from '../../src/runtime/choices.ts';
import { Tensor } from '../../src/tensor.ts';
import { wave } from './bench.ts';

// Every way to run a sparse convolution, those that slide over padded planes among them, against the operator's plain loops.

interface Shape {
  kernel: [number, number]; strides: [number, number]; dilations: [number, number]; pads: [number, number, number, number];
  image: [number, number]; batch: number; group: number; inputs: number; filters: number; zeros: number; seed: number;
}

function graphOf({ kernel, strides, dilations, pads, image, batch, group, inputs, filters, zeros, seed }: Shape): Graph {
  const random = randomFrom(seed, 'mask'), dims = [filters * group, inputs, ...kernel], size = dims.reduce((a, b) => a * b);
  const weight = wave(size, seed).map((w) => (random.next() < zeros ? 0 : w));
  const out = image.map((n, d) => Math.floor((n + pads[d] + pads[d + 2] - dilations[d] * (kernel[d] - 1) - 1) / strides[d]) + 1);
  const output = [batch, filters * group, ...out];
  return {
    name: 'convolution', inputs: [{ name: 'x', type: 'float32', dims: [batch, inputs * group, ...image] }],
    outputs: [{ name: 'y', type: 'float32', dims: output }],
    nodes: [{
      name: 'conv', op: 'Conv', inputs: ['x', 'w', 'b', 'r'], outputs: ['y'],
      attrs: { strides, dilations, pads, group, kernel_shape: kernel, min: -0.7, max: 0.9 },
    }],
    constants: new Map([
      ['w', new Tensor('float32', weight, dims)], ['b', new Tensor('float32', wave(filters * group, 2), [filters * group])],
      ['r', new Tensor('float32', wave(output.reduce((a, b) => a * b), 4), output)],
    ]),
  };
}

for (const simd of probe()) {
  const backend = await createWasm({ simd });
  const used = new Set<string>();

  const check = (shape: Shape): void => {
    const graph = graphOf(shape), where = JSON.stringify(shape);
    const x = wave(graph.inputs[0].dims.reduce<number>((a, b) => a * Number(b), 1), 1);
    const { node, inputs } = operationOf(graph);
    const image = { ...inputs[0]!, value: new Tensor('float32', x, inputs[0]!.shape) };
    const [want] = opOf(node).run({ node, inputs: [image, ...inputs.slice(1)] });
    const site = new Site(backend, graph);
    for (const choice of choicesFor(backend.kernels, site.weight.matrix(), site.columns)) {
      const program = site.program(choice), { name } = choice.kernel;
      used.add(name);
      site.values('x').set(x);
      site.values('y').fill(NaN);
      program.run();
      const got = site.values('y'), bound = 4 * Math.sqrt(shape.inputs * shape.kernel[0] * shape.kernel[1] + 2) * 2 ** -24;
      const most = 3 + shape.inputs * shape.kernel[0] * shape.kernel[1];
      want.data.forEach((value, i) => {
        if (!(Math.abs(got[i] - Number(value)) <= bound * most)) assert.unreachable(`${name} ${where} [${i}]: ${value}, got ${got[i]}`);
      });
    }
    site.dispose();
  };

  test(`convolutions of every kind are right in every way to run them (${simd})`, () => {
    const small = (min: number, max: number) => fc.integer({ min, max });
    const any: fc.Arbitrary<Shape> = fc.record({
      kernel: fc.tuple(small(1, 5), small(1, 5)), strides: fc.constantFrom<[number, number]>([1, 1], [1, 1], [2, 1], [2, 2]),
      dilations: fc.tuple(small(1, 2), small(1, 3)), pads: fc.tuple(small(0, 2), small(0, 2), small(0, 2), small(0, 2)),
      image: fc.tuple(small(9, 16), small(13, 30)), batch: small(1, 2), group: fc.constantFrom(1, 1, 2),
      inputs: small(2, 9), filters: small(1, 9), zeros: fc.constantFrom(0.1, 0.5, 0.9, 1), seed: fc.nat(99),
    });
    fc.assert(fc.property(any, check), { numRuns: 60 });
    for (const name of ['f32_pair_conv_2x16', 'f32_pair_conv_2x24', 'f32_pair_spmm_2x20']) assert.ok(used.has(name), name);
  });

  test(`a sliding convolution over several blocks of channels (${simd})`, () => {
    const plain: Shape = {
      kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], image: [7, 7],
      batch: 1, group: 1, inputs: 300, filters: 7, zeros: 0.5, seed: 5,
    };
    check(plain);
    check({ ...plain, kernel: [1, 7], pads: [0, 3, 0, 3], dilations: [1, 1], inputs: 200, zeros: 0.95 });
  });
}

test.run();
