/** A member of the record that a shader reads its job from; the offset in bytes. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: string;
}

/** One shader: a kernel, what it walks, and its sizes. The name says the rest: `f32_csr_spmm_4x8` is 4 rows × 8 columns an invocation. */
export interface Variant {
  /** The entry point, and whose binding layout it has. */
  readonly kernel: string;
  /** Columns that are one element of B and C; N is a multiple of it. */
  readonly span: number;
  /** Blocks of rows, and columns, that one workgroup computes. */
  readonly groupBlocks: number;
  readonly groupColumns: number;
  /** Sizes, to be put in front of the parts. */
  readonly front: string;
  readonly parts: readonly string[];
}
