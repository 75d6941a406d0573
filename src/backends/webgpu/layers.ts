import { expect } from '../../expect.ts';
import type { Dispatch } from './program.ts';
import { productProblem, type Problem } from './problem.ts';
import { variants } from './shaders.ts';
import type { Factor } from './weight.ts';

/** What a product reads and writes; bindings must not overlap. */
export interface Operands {
  readonly b: GPUBufferBinding;
  readonly c: GPUBufferBinding;
  /** Added to C before the bounds; lies as C does. */
  readonly residual?: GPUBufferBinding;
}

/** Bounds of the results; none where absent. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Columns of a workgroup whose invocations compute eight each. */
const WIDE = 128;

/** Spans of four take what lies in fours: neighbours in memory, and no row that begins between two spans. */
function takesVectors({ columns, b, c, window }: Problem): boolean {
  return !window && b.col === 1 && c.col === 1 && [columns, b.row, b.step, c.row, c.step].every((n) => n % 4 === 0);
}

/** How B is read, as names say it, and the columns of an invocation, best guess first. */
function inputOf(problem: Problem): { op: string; widths: number[] } {
  const { columns } = problem;
  if (problem.window) return { op: 'conv', widths: columns > 16 ? [4, 1] : [1, 4] };
  if (takesVectors(problem)) return { op: 'spmm', widths: columns < WIDE ? [4, 8, 1] : [8, 4, 1] };
  return columns > 32 ? { op: 'spmmt', widths: [4] } : { op: 'spmm', widths: [1] };
}

const stagedName: Readonly<Record<string, string>> = { spmm: 'matmul', spmmt: 'matmul_t', conv: 'matmul_conv' };

/** Names of the shaders that can run this, best guess first. */
export function candidates({ pattern, packed }: Factor, problem: Problem): string[] {
  const { op, widths } = inputOf(problem), lanes = packed.layout.lanes;
  return widths.flatMap((width) => {
    const walking = `f32_${pattern}_${op}_${lanes}x${width}`, staged = `f32_${stagedName[op]}_${lanes}x${width}`;
    if (pattern !== 'dense') return [walking];
    return fills(staged, packed.blocks, problem.columns) ? [staged, walking] : [walking, staged];
  });
}

/** Whether a product fills half of a workgroup or more each way. */
function fills(name: string, blocks: number, columns: number): boolean {
  const { groupBlocks, groupColumns } = groupOf(name);
  return blocks * 2 >= groupBlocks && columns * 2 >= groupColumns;
}

/** Blocks of rows, and columns, that one workgroup of a product computes. */
export function groupOf(name: string): { groupBlocks: number; groupColumns: number } {
  const { GROUP_X, GROUP_Y, SPAN, SPANS } = variants[name].sizes;
  return { groupBlocks: GROUP_Y, groupColumns: GROUP_X * SPANS * SPAN };
}

/** The numbers of a product's job. Elements are spans where both operands are read in spans. */
function jobOf(
  { packed, groups, rows, biased }: Factor, { columns, a, b, c, window }: Problem, span: number,
  { min = -Infinity, max = Infinity, residual }: Bounds & Pick<Operands, 'residual'>,
): Dispatch['job'] {
  const numbers = {
    rows, depth: packed.cols, spans: columns / span, k_block: packed.layout.kBlock, parts: packed.starts.length,
    blocks: packed.blocks, group_blocks: packed.blocks / groups, groups, block_rows: packed.blockRows, block_cols: packed.blockCols,
    a_step: a, b_step: b.step / span, b_row: b.row / span, b_col: b.col, c_step: c.step / span, c_row: c.row / span, c_col: c.col,
    biased: Number(biased), residual: Number(residual !== undefined), lo: min, hi: max,
  };
  if (!window) return numbers;
  const { in: [height, width], out: [, outWidth], strides: [strideY, strideX], pads: [top, left] } = window;
  return { ...numbers, height, width, out_width: outWidth, stride_y: strideY, stride_x: strideX, top, left };
}

/**
 * A held weight times what `problem` says of B: any layer that is a product (convolutions of every kind, linear layers).
 * @param shader one of the {@link candidates}
 * @throws BurinError `limit` when it takes more workgroups than the device runs
 */
export function productDispatch(
  device: GPUDevice, held: Factor, problem: Problem,
  { b, c, residual, shader = candidates(held, problem)[0], ...bounds }: Operands & Bounds & { shader?: string },
): Dispatch {
  const { groupBlocks, groupColumns } = groupOf(shader), { images, columns } = problem;
  const tall = Math.ceil(held.packed.blocks / held.groups / groupBlocks);
  const groups = [Math.ceil(columns / groupColumns), tall, images * held.groups] as const;
  const most = device.limits.maxComputeWorkgroupsPerDimension;
  expect(Math.max(...groups) <= most, {
    kind: 'limit', where: `webgpu ${shader}`, needs: `at most ${most} workgroups each way`, got: groups.join(' × '),
    remedy: 'split the matrix',
  });
  // What is not read is bound to something that is not written.
  const [spare] = held.operands, taps = held.taps ? { buffer: held.taps } : spare;
  const job = jobOf(held, problem, variants[shader].sizes.SPAN, { ...bounds, residual });
  return { shader, job, operands: [...held.operands, b, residual ?? spare, taps, c], groups };
}

/**
 * A[images, M, K] of activations as a factor: C[images, M, N] = A·B with B[images, K, N], each of which may be the same for all
 * images. With `b` in rows of K instead of N, the product is A·Bᵀ.
 */
export function matmulDispatch(
  device: GPUDevice, { m, k, n, images = 1, sameA = false, sameB = false, transposed = false }: MatMul,
  { a, ...rest }: Operands & Bounds & { readonly a: GPUBufferBinding; readonly shader?: string },
): Dispatch {
  const layout = { lanes: 1, unit: 1, kBlock: Math.max(1, k) };
  const factor: Factor = {
    packed: { rows: m, cols: k, layout, starts: k > 0 ? [0] : [], blocks: m, blockRows: 1, blockCols: 1 },
    pattern: 'dense', groups: 1, rows: m, operands: [a, a, a, a], biased: false,
  };
  const step = sameB ? 0 : k * n, b = transposed ? { step, row: 1, col: k } : { step, row: n, col: 1 };
  return productDispatch(device, factor, { ...productProblem(factor, n, images), a: sameA ? 0 : m * k, b }, rest);
}

/** Sizes of a product of two activations. */
export interface MatMul {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly images?: number;
  readonly sameA?: boolean;
  readonly sameB?: boolean;
  readonly transposed?: boolean;
}
