import { expect } from '../../expect.ts';
import type { Bounds } from '../product.ts';
import { candidates, tileOf, wholeOf } from './candidates.ts';
import type { Dispatch } from './program.ts';
import { productProblem, type Problem } from './problem.ts';
import { variants } from './shaders.ts';
import { piecesOf } from './split.ts';
import type { Variant } from './variant.ts';
import type { Factor } from './weight.ts';

/** What a product reads and writes; bindings must not overlap. */
export interface Operands {
  readonly b: GPUBufferBinding;
  readonly c: GPUBufferBinding;
  /** Added to C before the bounds; lies as C does. */
  readonly residual?: GPUBufferBinding;
}

/** The numbers of a product's job. Elements of an operand are what its shader declares: spans or floats. */
function jobOf(
  { packed, groups, rows, order, biased }: Factor, { columns, a, b, c, window }: Problem, { sizes: { SPAN }, parts }: Variant,
  { min = -Infinity, max = Infinity, residual }: Bounds & Pick<Operands, 'residual'>,
): Dispatch['job'] {
  const inB = parts.includes('input/matrix') ? SPAN : 1, inC = parts.includes('output/spans') ? SPAN : 1;
  const numbers = {
    rows, depth: packed.cols, columns, spans: Math.ceil(columns / SPAN), k_block: packed.layout.kBlock, parts: packed.starts.length,
    blocks: packed.blocks, group_blocks: packed.blocks / groups, groups, order, block_rows: packed.blockRows, block_cols: packed.blockCols,
    a_step: a, b_step: b.step / inB, b_row: b.row / inB, b_col: b.col, c_step: c.step / inC, c_row: c.row / inC, c_col: c.col,
    biased: Number(biased), residual: Number(residual !== undefined), lo: min, hi: max,
  };
  if (!window) return numbers;
  const { in: [height, width], out: [, outWidth], strides: [strideY, strideX], pads: [top, left] } = window;
  return { ...numbers, height, width, out_width: outWidth, stride_y: strideY, stride_x: strideX, top, left };
}

type Limits = Pick<GPUDevice, 'limits'>;

/** A product of any number of workgroups as dispatches that have no more of them each way than a device runs. */
function withinGrid({ limits: { maxComputeWorkgroupsPerDimension: most } }: Limits, { job, groups, ...rest }: Dispatch): Dispatch[] {
  const starts = groups.map((count) => Array.from({ length: Math.ceil(count / most) }, (_, i) => i * most)), [x, y, z] = groups;
  return starts[2].flatMap((first_z) => starts[1].flatMap((first_y) => starts[0].map((first_x): Dispatch => ({
    ...rest, job: { ...job, first_x, first_y, first_z },
    groups: [Math.min(most, x - first_x), Math.min(most, y - first_y), Math.min(most, z - first_z)],
  }))));
}

/** A held weight times what `problem` says of B: any layer that is a product (convolutions of every kind, linear layers). */
function wholeProduct(
  device: Limits, held: Factor, problem: Problem, { b, c, residual, shader, ...bounds }: Operands & Bounds & { shader: string },
): Dispatch[] {
  const tile = tileOf(shader), { images, columns } = problem;
  const tall = Math.ceil((held.listed ?? held.packed.blocks / held.groups) / tile.blocks);
  const groups = [Math.ceil(columns / tile.columns), tall, images * held.groups] as const;
  // What is not read is bound to something that is not written.
  const [spare] = held.operands, taps = held.taps ? { buffer: held.taps } : spare;
  const job = jobOf(held, problem, variants[shader], { ...bounds, residual });
  return withinGrid(device, { shader, job, operands: [...held.operands, b, residual ?? spare, taps, c], groups });
}

const sumsFor = (shader: string): string => `f32_add_pieces_${variants[shader].sizes.SPAN}`;

/** The shaders that one of the {@link candidates} is made of. */
export function shadersOf(name: string): string[] {
  const shader = wholeOf(name);
  return shader === name ? [name] : [shader, sumsFor(shader)];
}

/**
 * The dispatches of one of the {@link candidates}: one, or where it is split those of the blocks of rows that are left whole, of the
 * pieces of the others, and of their sums; each of them several where it has more workgroups than the device runs at once.
 * @param pieces as many bytes as pieceBytes says for the sums of pieces (split products only)
 */
export function productDispatches(
  device: Limits, held: Factor, problem: Problem, operands: Operands & Bounds & { shader: string; pieces?: GPUBufferBinding },
): Dispatch[] {
  const { shader: name, pieces, ...rest } = operands, shader = wholeOf(name), { split, packed, groups } = held;
  if (shader === name) return wholeProduct(device, held, problem, operands);
  expect(split && pieces, { kind: 'state', where: `webgpu ${name}`, needs: 'a weight with heavy rows and room for sums', got: 'none' });
  const { cut } = split, [values, idx, , bias] = held.operands, steps = piecesOf(held, problem);
  const perGroup = cut.blocks / groups;
  const light: Factor = { ...held, order: held.order + packed.blocks, listed: cut.lightBlocks };
  const cutRows: Factor = {
    ...held, packed: { ...packed, blocks: cut.blocks }, rows: perGroup * packed.blockRows, operands: [values, idx, split.pieces, values],
    order: cut.pieceOrder, listed: cut.pieces, biased: false,
  };
  const sums: Factor = {
    ...held, packed: { ...packed, blocks: cut.heavy * groups }, operands: [values, idx, split.pieces, bias], order: cut.sumOrder,
    listed: cut.heavy * packed.blockRows,
  };
  return [
    ...(cut.lightBlocks ? wholeProduct(device, light, problem, { ...rest, shader }) : []),
    ...wholeProduct(device, cutRows, { ...problem, c: steps }, { b: rest.b, c: pieces, shader }),
    ...wholeProduct(device, sums, { ...problem, b: steps, window: undefined }, { ...rest, b: pieces, shader: sumsFor(shader) }),
  ];
}

/** A product of two activations: what runs it, and how on operands. */
export interface ActivationProduct {
  readonly shader: string;
  readonly dispatches: (device: Limits, operands: Operands & Bounds & { readonly a: GPUBufferBinding }) => Dispatch[];
}

/**
 * C[images, M, N] = A·B with A[images, M, K] and B[images, K, N], each of which may be the same for all images. With `b` in rows of K
 * instead of N, the product is A·Bᵀ.
 */
export function matmulOf({ m, k, n, images = 1, sameA = false, sameB = false, transposed = false }: MatMul): ActivationProduct {
  const layout = { lanes: 1, unit: 1, kBlock: Math.max(1, k) };
  const packed = { rows: m, cols: k, layout, starts: k > 0 ? [0] : [], blocks: m, block: { rows: 1, cols: 1 }, blockRows: 1, blockCols: 1 };
  const factor: Factor = { packed, pattern: 'dense', groups: 1, rows: m, operands: [], order: 0, biased: false };
  const step = sameB ? 0 : k * n, b = transposed ? { step, row: 1, col: k } : { step, row: n, col: 1 };
  const problem = { ...productProblem(factor, n, images), a: sameA ? 0 : m * k, b }, [shader] = candidates(factor, problem);
  return {
    shader,
    dispatches: (device, { a, ...rest }) => wholeProduct(device, { ...factor, operands: [a, a, a, a] }, problem, { ...rest, shader }),
  };
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
