import type { DType, Shape, Tensor } from '../tensor.ts';

/** A dimension: a length, or the name of one that is only known when the network runs. */
export type Dim = number | string;
export type Attr = number | string | readonly number[] | readonly string[] | Tensor;

/** What is known of a value before it is computed. */
export interface ValueInfo {
  readonly name: string;
  readonly type: DType;
  readonly dims: readonly Dim[];
}

/** One operation. An absent optional input is the empty string. */
export interface Node {
  /** Unique in its graph; what reports and errors call it. */
  readonly name: string;
  /** A key of the operator table, `graph/ops`. */
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, Attr>>;
}

/**
 * A network as plain records. `nodes` are in execution order. Operators follow ONNX opset 17 in names, inputs and
 * attributes (readers of older or other files rewrite into that form), with NCHW activations.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  /** Weights and other constants, by value name. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** A value whose type and shape are known. */
export interface Typed {
  readonly type: DType;
  readonly shape: Shape;
}
