import * as assert from 'uvu/assert';
import type { Attr } from '../../src/graph/graph.ts';
import { opOf } from '../../src/graph/ops/index.ts';
import type { Call } from '../../src/graph/ops/op.ts';
import { numbersOf, sizeOf, Tensor, type Shape } from '../../src/tensor.ts';

/** A call of `op` on known tensors. */
export function callOf(op: string, attrs: Record<string, Attr>, ...inputs: (Tensor | undefined)[]): Call {
  const node = { name: 'it', op, attrs, inputs: inputs.map((x, i) => (x ? `x${i}` : '')), outputs: ['y'] };
  return { node, inputs: inputs.map((x) => x && { type: x.type, shape: x.dims, value: x }) };
}

/** Runs a call and checks that the results are of the inferred types and shapes. */
export function run(call: Call): Tensor[] {
  const op = opOf(call.node);
  const types = op.infer(call);
  const results = op.run(call);
  assert.equal(results.map((x) => ({ type: x.type, shape: x.dims })), types.map(({ type, shape }) => ({ type, shape })));
  return results;
}

/** A float32 tensor of varied values in (−1, 1), different for every seed. */
export function filled(shape: Shape, seed: number): Tensor<Float32Array> {
  return new Tensor('float32', new Float32Array(sizeOf(shape)).map((_, i) => Math.sin(1 + i * 0.731 + seed * 3.17)), shape);
}

/** That a tensor holds `want` within f32 rounding. */
export function same(x: Tensor, want: readonly number[], dims?: Shape): void {
  const got = Array.from(numbersOf(x));
  const near = (v: number, w: number) => Object.is(v, w) || Math.abs(v - w) <= 1e-6 * (1 + Math.abs(w));
  if (got.length !== want.length || !got.every((v, i) => near(v, want[i]))) assert.equal(got, want);
  if (dims) assert.equal(x.dims, dims);
}
