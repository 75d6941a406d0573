import { canRun } from '../../../backends/webgpu/candidates.ts';
import type { Dispatch } from '../../../backends/webgpu/program.ts';
import { variants } from '../../../backends/webgpu/shaders.ts';
import type { Gpu } from '../../../backends/webgpu/gpu.ts';
import type { Guard } from '../../../backends/webgpu/guard.ts';
import type { Typed } from '../../../graph/graph.ts';
import type { Call as Operation } from '../../../graph/ops/op.ts';
import type { Block, Matrix } from '../../../formats/index.ts';
import { sizeOf, type DType, type Tensor } from '../../../tensor.ts';

export type { Dispatch, Operation };

/** What is known of the graph and the device before anything has its place. */
export interface Query {
  typed(name: string): Typed;
  /** The data of a constant, undefined for a value that is computed. */
  constant(name: string): Tensor | undefined;
  readonly limits: GPUSupportedLimits;
  /** What the device was made with. */
  readonly features: GPUSupportedFeatures;
}

/** Where the operands of a layer lie. */
export interface Place extends Query {
  readonly guard: Guard;
  /** The buffer of a value; a constant is uploaded. */
  value(name: string): GPUBufferBinding;
  /** The buffer of data that is made and uploaded once for each key. */
  upload(key: string, make: () => Float32Array | Int32Array | Uint32Array): GPUBufferBinding;
  /** The buffers a layer asked for, its own until it ends. */
  readonly scratch: readonly GPUBufferBinding[];
  /** What is made of equal data, shared by all plans on the device. */
  readonly share: Gpu['share'];
  /** Counts bytes of a weight on the device, until what it returns is called. */
  count(bytes: number): () => void;
}

/** An operation turned into dispatches. */
export interface Lowered {
  /** The shader that does the work, for reports. */
  readonly kernel: string;
  /** Bytes of the buffers needed besides inputs and outputs. */
  readonly scratch?: readonly number[];
  readonly build?: (place: Place) => readonly Dispatch[];
  /** Ways to store the weight and run it, where there is one; the shader is then chosen among them instead of `build`. */
  readonly weight?: Weighted;
}

/** How a weight may lie on the device. */
export interface Storage {
  readonly format: string;
  readonly block: Block;
  /** Rows that are stored together. */
  readonly lanes: number;
  /** Whether values are stored in 16 bits. */
  readonly half?: boolean;
}

/** A layer that multiplies with a weight. */
export interface Weighted {
  /** Of all groups, one below the other. */
  readonly matrix: () => Matrix;
  /** Columns of the product, of all images. */
  readonly columns: number;
  readonly groups: number;
  /** Whether columns lie in fours, so that shaders read and write them as vectors. */
  readonly inFours: boolean;
  /** Puts the weight on the device and says how each shader that can walk it runs, best guess first. */
  readonly ways: (place: Place, storage: Storage) => Promise<Ways>;
}

export interface Ways {
  readonly shaders: readonly string[];
  readonly dispatches: (shader: string) => readonly Dispatch[];
  /** Frees what only other shaders than this one need. */
  readonly settle: (shader: string) => void;
  readonly dispose: () => void;
}

/** One row of the lowering table: undefined where no shader covers the case and the host runs it. */
export type Lower = (query: Query, op: Operation) => Lowered | undefined;

/** Types whose elements a device holds as they are. */
const words: ReadonlySet<DType> = new Set(['float32', 'int32', 'uint32']);
export const isWord = ({ type }: Typed): boolean => words.has(type);

/** Workgroups, folded into rows and columns of them where a device does not take so many in a row. */
export function fold(groups: number, { maxComputeWorkgroupsPerDimension: most }: GPUSupportedLimits): [number, number, number] {
  const x = Math.min(groups, most);
  return [x, Math.ceil(groups / x), 1];
}

/** What a dispatch by single invocations is made of; no dispatch where there is nothing to do. */
interface Lone { shader: string; job: Dispatch['job']; operands: readonly GPUBufferBinding[]; invocations: number }

export function lone({ limits }: Query, { shader, job, operands, invocations }: Lone): Dispatch[] {
  if (invocations === 0) return [];
  return [{ shader, job, operands, groups: fold(Math.ceil(invocations / variants[shader].sizes.THREADS), limits) }];
}

/** Rows at least this many times as long as a group has invocations are left to a whole group each. */
const LONG = 4;

/** A family with two shaders for rows, by an invocation or by a group each. */
export type RowShaders = readonly [invocation: string, group: string];

/** The one for rows of this length: a group joins what its invocations hold by subgroups where the device has them. */
export function rowShader({ features }: Query, [invocation, group]: RowShaders, length: number): string {
  return length >= LONG * variants[group].sizes.THREADS ? bySubgroups(features, group) : invocation;
}

/** The variant of a shader that uses subgroups, where the device has them. */
export function bySubgroups(features: GPUSupportedFeatures, shader: string): string {
  return canRun(`${shader}_subgroups`, { features }) ? `${shader}_subgroups` : shader;
}

export function byRows(query: Query, shaders: RowShaders, { job, operands }: Pick<Lone, 'job' | 'operands'>): Dispatch[] {
  const { rows, length } = job as { rows: number; length: number }, shader = rowShader(query, shaders, length);
  const groups = shader === shaders[0] ? Math.ceil(rows / variants[shader].sizes.THREADS) : rows;
  return rows === 0 ? [] : [{ shader, job, operands, groups: fold(groups, query.limits) }];
}

/** Input and output of a node of one operand. */
export function inOut(place: Place, op: Operation): [GPUBufferBinding, GPUBufferBinding] {
  return [place.value(op.node.inputs[0]), place.value(op.node.outputs[0])];
}

export function outSize(query: Query, op: Operation): number {
  return sizeOf(query.typed(op.node.outputs[0]).shape);
}
