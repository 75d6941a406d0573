// What products of packed weights have in common on every device.

/** A packed A[M×K] with its bias[M], ready for many products. */
export interface ProductWeight {
  /** M and K. */
  readonly rows: number;
  readonly cols: number;
  readonly format: string;
  /** Bytes of its packing, on the device where there is one. */
  readonly bytes: number;
  /** Frees what it holds; products under way end as if it were still there. */
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface WeightOptions {
  /** bias[M], added to each row of a product; zeros where absent. */
  readonly bias?: Float32Array;
  /** What to call the weight in errors. */
  readonly where?: string;
}

/** Bounds of the results; none where absent. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}
