import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasm } from '../../src/backends/wasm.ts';
import { phaseOf } from '../../src/backends/script.ts';
import type { Call, Work } from '../../src/backends/index.ts';
import { specialize } from '../../src/graph/evaluate.ts';
import type { Attr } from '../../src/graph/graph.ts';
import { optimize } from '../../src/graph/passes/index.ts';
import { parseKernel } from '../../src/kernels.ts';
import { Binding, read, write } from '../../src/runtime/binding.ts';
import { choicesFor } from '../../src/runtime/choices.ts';
import { lowerings } from '../../src/runtime/lower/index.ts';
import { balancedRanges, evenRanges, type Range } from '../../src/runtime/lower/shares.ts';
import { split } from '../../src/runtime/lower/split.ts';
import { Tensor } from '../../src/tensor.ts';
import { filled } from '../graph/call.ts';
import { fixed, oneNode, shapesOf, type Argument, type Fed } from './nodes.ts';

function covers(ranges: readonly Range[], pieces: number): void {
  assert.is(ranges[0][0], 0);
  assert.is(ranges.at(-1)![1], pieces);
  ranges.forEach(([from, to], i) => {
    assert.ok(from < to, 'an empty range');
    if (i > 0) assert.is(from, ranges[i - 1][1]);
  });
}

test('ranges cover all pieces once and none is empty', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 9 }), (pieces, parts) => {
    const ranges = evenRanges(pieces, parts), sizes = ranges.map(([from, to]) => to - from);
    covers(ranges, pieces);
    assert.is(ranges.length, Math.min(pieces, parts));
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }));
});

test('ranges of unequal pieces balance', () => {
  fc.assert(fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (costs, parts) => {
    const before = [0];
    for (const cost of costs) before.push(before.at(-1)! + cost);
    const ranges = balancedRanges(before, parts), largest = Math.max(...costs);
    covers(ranges, costs.length);
    assert.is(ranges.length, Math.min(costs.length, parts));
    const most = Math.max(...ranges.map(([from, to]) => before[to] - before[from]));
    assert.ok(most <= before.at(-1)! / parts + largest, `${most} of ${before.at(-1)} in ${parts} parts, largest ${largest}`);
  }));
});

interface Case {
  readonly op: string;
  readonly args: readonly Argument[];
  readonly attrs?: Readonly<Record<string, Attr>>;
}

const x = (...dims: number[]): Tensor<Float32Array> => filled(dims, 1);
const y = (...dims: number[]): Tensor<Float32Array> => filled(dims, 2);
const w = (...dims: number[]): Argument => fixed(filled(dims, 3));
const halves = (...dims: number[]): Argument =>
  fixed(new Tensor('float32', filled(dims, 3).data.map((v) => Math.round(v * 512) / 512), dims));
const sparse = (...dims: number[]): Argument => {
  const tensor = filled(dims, 3);
  // Rows grow heavier downwards, the first are empty.
  const row = tensor.size / dims[0];
  tensor.data.forEach((_, i) => { if ((i * 7919) % 97 >= (Math.floor(i / row) * 60) / dims[0]) tensor.data[i] = 0; });
  return fixed(tensor);
};

/** Planes whose rows are no whole vectors, so that kernels write past their ends. */
const cases: Readonly<Record<string, Case>> = {
  'a convolution 1x1': { op: 'Conv', args: [x(1, 24, 13, 11), w(37, 24, 1, 1), w(37)] },
  'a sparse convolution 1x1': { op: 'Conv', args: [x(1, 64, 13, 11), sparse(50, 64, 1, 1), w(50)] },
  'a sparse convolution of few pixels': { op: 'Conv', args: [x(1, 300, 3, 5), sparse(70, 300, 1, 1)] },
  'a convolution 3x3, strided': {
    op: 'Conv', args: [x(1, 9, 23, 21), w(33, 9, 3, 3), w(33)], attrs: { pads: [1, 1, 1, 1], strides: [2, 2] },
  },
  'a sparse convolution 3x3': { op: 'Conv', args: [x(1, 40, 14, 14), sparse(20, 40, 3, 3)], attrs: { pads: [1, 1, 1, 1] } },
  'a depthwise convolution': { op: 'Conv', args: [x(1, 19, 13, 13), w(19, 1, 3, 3), w(19)], attrs: { group: 19, pads: [1, 1, 1, 1] } },
  'a depthwise convolution 5x5': { op: 'Conv', args: [x(1, 19, 13, 13), w(19, 1, 5, 5), w(19)], attrs: { group: 19, pads: [2, 2, 2, 2] } },
  'a depthwise convolution of stride 2': {
    op: 'Conv', args: [x(1, 19, 13, 13), w(19, 1, 3, 3), w(19)], attrs: { group: 19, pads: [1, 1, 1, 1], strides: [2, 2] },
  },
  'a depthwise convolution of narrow planes': {
    op: 'Conv', args: [x(1, 40, 3, 2), w(40, 1, 3, 3), w(40)], attrs: { group: 40, pads: [1, 1, 1, 1] },
  },
  'a depthwise convolution, strided, two for each': {
    op: 'Conv', args: [x(1, 10, 15, 15), w(20, 1, 5, 5), w(20)], attrs: { group: 10, pads: [2, 2, 2, 2], strides: [2, 2] },
  },
  'a depthwise convolution with a residual': {
    op: 'Conv', args: [x(1, 12, 9, 9), w(12, 1, 3, 3), w(12), y(1, 12, 9, 9)],
    attrs: { group: 12, pads: [1, 1, 1, 1], min: -0.2, max: 0.2 },
  },
  'a transposed convolution': { op: 'ConvTranspose', args: [x(1, 12, 7, 5), w(12, 9, 3, 3), w(9)], attrs: { strides: [2, 2] } },
  'a largest pooling': { op: 'MaxPool', args: [x(2, 7, 11, 13)], attrs: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  'an average pooling': { op: 'AveragePool', args: [x(1, 9, 10, 7)], attrs: { kernel_shape: [2, 2] } },
  'a global pooling': { op: 'GlobalAveragePool', args: [x(1, 15, 7, 7)] },
  'a matrix × vector': { op: 'Linear', args: [x(1, 70), w(53, 70), w(53)] },
  'a matrix of 16 bits × vector': { op: 'Linear', args: [x(1, 70), halves(53, 70), w(53)] },
  'a sparse matrix × vector': { op: 'Linear', args: [x(1, 300), sparse(90, 300), w(90), y(1, 90)], attrs: { max: 0.5 } },
  'rows of a batch': { op: 'Linear', args: [x(21, 40), w(35, 40), w(35)] },
  'few rows of a batch, sparse': { op: 'Linear', args: [x(5, 90), sparse(35, 90), w(35), y(5, 35)] },
  'a product of computed matrices': { op: 'MatMul', args: [x(33, 20), y(20, 45)] },
  'an element-wise function': { op: 'Sigmoid', args: [x(1, 3, 7, 11)] },
  'a sum': { op: 'Add', args: [x(1, 3, 7, 11), y(1, 3, 7, 11)] },
  'a sum with one number a channel': { op: 'Add', args: [x(1, 23, 3, 3), y(1, 23, 1, 1)] },
  'a product over short rows': { op: 'Mul', args: [x(6, 5, 3), y(6, 1, 3)] },
  'a softmax over rows': { op: 'Softmax', args: [x(9, 33)] },
  'a softmax over columns': { op: 'Softmax', args: [x(5, 8, 7)], attrs: { axis: 1 } },
  'a sum over the middle': { op: 'ReduceSum', args: [x(11, 4, 3), fixed(new Tensor('int64', [1]))], attrs: { keepdims: 0 } },
  'a transposition': { op: 'Transpose', args: [x(5, 7, 9)], attrs: { perm: [2, 0, 1] } },
  'a concatenation': { op: 'Concat', args: [x(1, 5, 7, 3), y(1, 4, 7, 3)], attrs: { axis: 1 } },
};

/**
 * Pairs of rows that differ from one block of K to the next, and a second kernel for the last rows, keep all rows together: such
 * a product is cut by panels only, and one panel is nothing to cut.
 */
function isOnePanel({ job }: Call): boolean {
  const tile = job.spmmJob as Call | undefined;
  const together = tile !== undefined && (parseKernel(tile.kernel).pattern === 'pair' || 'restJob' in job);
  return together && Number(job.cols) < 2 * Number(job.width);
}

/** Works of the node's calls for as many threads, in memory of their own, and what they give when run in the order of `arrange`. */
async function outputsOf(
  { graph, feeds }: Fed, threads: number, arrange: (work: Work) => Work[],
): Promise<{ works: number[]; bytes: string[] }> {
  const backend = await createWasm(), fixedGraph = specialize(graph, shapesOf(feeds)), input = optimize(fixedGraph.graph, fixedGraph.types);
  const binding = new Binding(backend, input), [node] = input.graph.nodes;
  const op = { node, inputs: node.inputs.map((name) => (name ? { ...binding.typed(name), value: binding.constant(name) } : undefined)) };
  const lowered = lowerings[node.op](binding, op)!, { weight, columns } = lowered;
  const choices = weight ? choicesFor(backend.kernels, weight.matrix(), columns!) : [undefined];
  const found = { works: [] as number[], bytes: [] as string[] };
  for (const choice of choices) {
    const ctx = {
      scratch: (bytes: number) => binding.scratch(bytes), upload: binding.upload.bind(binding),
      backend: { threads, bytes: backend.bytes.bind(backend) },
    };
    const works = binding.sized(() => split(ctx, lowered.build(choice), 0));
    for (const { name } of input.graph.inputs) write(binding, name, feeds[name]);
    const program = backend.program(works.flatMap(arrange));
    program.run();
    program.dispose();
    found.works.push(...works.filter((work) => !('kernel' in work && isOnePanel(work))).map((work) => phaseOf(work).length));
    found.bytes.push(...input.graph.outputs.map(({ name }) => Buffer.from(read(binding, name).data.buffer).toString('hex')));
  }
  backend.dispose();
  return found;
}

for (const [name, { op, args, attrs = {} }] of Object.entries(cases)) {
  test(`${name} is cut for threads, and gives the same bits whichever part runs first`, async () => {
    const fed = oneNode(op, attrs, args), whole = await outputsOf(fed, 1, (work) => [work]);
    for (const threads of [2, 3, 5]) {
      for (const turned of [false, true]) {
        const cut = await outputsOf(fed, threads, (work) => (turned ? phaseOf(work).toReversed() : phaseOf(work)).flat());
        assert.ok(cut.works.every((parts) => parts > 1 && parts <= threads), `parts ${cut.works} for ${threads} threads`);
        assert.equal(cut.bytes, whole.bytes, `${threads} threads, ${turned ? 'last' : 'first'} part first`);
      }
    }
  });
}

test.run();
