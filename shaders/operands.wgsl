// The operands of a product C[M×N] = clamp(A[M×K]·B[K×N] + bias[M]), the same for every kernel and every pattern.
// In front of this stand ROWS, SPAN, SPANS, GROUP_X, GROUP_Y, DEPTH and Span: SPAN consecutive columns, one f32 or a vec4f.

struct Job {
  rows: u32,       // M
  depth: u32,      // K
  spans: u32,      // N / SPAN, the length of a row of B and C
  k_block: u32,    // columns of A in a part; the last part may have fewer
  parts: u32,
  blocks: u32,     // blocks of rows in A
  block_rows: u32, // rows in such a block, at most ROWS
  block_cols: u32, // consecutive k that a stored position stands for
  lo: f32,
  hi: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
// values[positions · block_cols · ROWS]: part by part, block by block, position by position, k by k, row by row.
@group(0) @binding(1) var<storage, read> values: array<f32>;
// col_idx[positions]: k − k0, two of 16 bits in a word, the first one low.
@group(0) @binding(2) var<storage, read> col_idx: array<u32>;
// row_ptr[parts · (blocks + 1)]: positions before each block of rows, counted anew in every part.
@group(0) @binding(3) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
// b[K · spans] and c[M · spans].
@group(0) @binding(5) var<storage, read> b: array<Span>;
@group(0) @binding(6) var<storage, read_write> c: array<Span>;

const_assert ROWS >= 1u;
const_assert SPAN == 1u || SPAN == 4u;
const_assert SPANS >= 1u;
// Sums that one invocation holds in registers.
const_assert ROWS * SPANS * SPAN <= 64u;
// A device that promises only the defaults runs 256 invocations in a group.
const_assert GROUP_X * GROUP_Y <= 256u;

fn index_of(position: u32) -> u32 {
  return (col_idx[position >> 1u] >> ((position & 1u) << 4u)) & 0xffffu;
}
