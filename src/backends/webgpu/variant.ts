/** A member of the record that a shader reads its job from; the offset in bytes. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: string;
}

/** What every variant of a kernel binds: its job, a uniform, at 0, then its operands. */
export interface Bindings {
  readonly layout: readonly GPUBindGroupLayoutEntry[];
  readonly job: readonly Field[];
}

/** One shader: a kernel, what it walks, and its sizes. The name says the rest: `f32_csr_spmm_4x8` is 4 rows × 8 columns an invocation. */
export interface Variant {
  /** The entry point, and whose bindings it has. */
  readonly kernel: string;
  /** The `const`s that stand in front of its parts. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Features that the device must have been made with; none where absent. */
  readonly needs?: readonly GPUFeatureName[];
  /** What is enabled and sizes as text, to be put in front of the parts. */
  readonly front: string;
  readonly parts: readonly string[];
}
