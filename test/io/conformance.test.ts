import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluate, specialize } from '../../src/graph/evaluate.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { numbersOf, type Tensor } from '../../src/tensor.ts';
import { noShared, shared } from '../shared.ts';
import { lightCases, onnxNodeCases } from './cases.ts';

const shapesOf = (feeds: Readonly<Record<string, Tensor>>) =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.dims]));

/** As ONNX's own runner compares: some expected values are written with four digits. */
const tolerance = 1e-3;

function close(got: Tensor, expected: Tensor, name: string): void {
  assert.equal(got.dims, expected.dims, `${name}: shape`);
  assert.is(got.type, expected.type, `${name}: type`);
  const [a, b] = [numbersOf(got), numbersOf(expected)];
  for (let i = 0; i < b.length; i++) {
    if (!(Math.abs(a[i] - b[i]) <= 1e-5 + tolerance * Math.abs(b[i]))) assert.unreachable(`${name}[${i}]: expected ${b[i]}, got ${a[i]}`);
  }
}

if (!shared('data/onnx-node/')) noShared('the ONNX conformance tests');

for (const { name, graph, feeds, expected } of onnxNodeCases()) {
  test(`${name}, weights and settings constant`, () => {
    const special = specialize(graph, shapesOf(feeds)).graph;
    const got = evaluate(special, feeds);
    for (const output of Object.keys(expected)) close(got[output], expected[output], output);
  });
}

for (const { name, graph, feeds, expected } of onnxNodeCases({ fixed: false })) {
  test(`${name}, everything fed`, () => {
    const got = evaluate(graph, feeds);
    for (const output of Object.keys(expected)) close(got[output], expected[output], output);
  });
}

for (const { name, bytes, graph, feeds, expected } of lightCases()) {
  test(`light ${name} reads and specialises`, () => {
    const { types } = specialize(readOnnx(bytes), shapesOf(feeds));
    for (const [output, tensor] of Object.entries(expected)) assert.equal(types.get(output)!.shape, tensor.dims);
  });
  if (name !== 'squeezenet') continue; // the plain loops take minutes for the others
  test(`light ${name} evaluates`, () => {
    const got = evaluate(specialize(graph(), shapesOf(feeds)).graph, feeds);
    for (const output of Object.keys(expected)) close(got[output], expected[output], output);
  });
}

test.run();
