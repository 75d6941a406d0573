// The operands of a product C[M×N] = clamp(A[M×K]·B[K×N] + bias[M] + residual[M×N]), the same for every kernel, pattern and input.
// In front of this stand sizes, Span: SPAN consecutive columns, one f32 or a vec4f, and Lane: LANE rows of one position as they are
// stored, in floats or in halves of words.
// Layers have many such products: one for each image and, of grouped convolutions, each group of rows. Workgroups of the
// product z = image · groups + group of the grid work on rows of that group alone.

struct Job {
  rows: u32,         // M, of one group
  depth: u32,        // K
  columns: u32,      // N
  spans: u32,        // N / SPAN, rounded up
  k_block: u32,      // columns of A in a part; the last part may have fewer
  parts: u32,
  blocks: u32,       // blocks of rows in A, of all groups
  group_blocks: u32, // and of one
  groups: u32,
  order: u32,        // where in row_ptr the order of blocks begins, 0 where they come one after the other
  block_rows: u32,   // rows in such a block, at most ROWS
  block_cols: u32,   // consecutive k that a stored position stands for
  a_step: u32,       // values from one image to the next, 0 where all have the same A
  b_step: u32,       // elements of b as the input declares it from one product to the next, from one k to the
  b_row: u32,        // next (of an image: from one channel to the next) and from one span to the next
  b_col: u32,
  c_step: u32,       // and of c as the output declares it, from one row to the next
  c_row: u32,
  c_col: u32,
  height: u32,       // of an image; what follows is about images too
  width: u32,
  out_width: u32,
  stride_y: u32,
  stride_x: u32,
  top: u32,          // padding above and to the left
  left: u32,
  biased: u32,       // 1 where a bias is added
  residual: u32,     // 1 where a residual is added, which lies as c does; 0 where not
  lo: f32,
  hi: f32,
  first_x: u32,      // the workgroup of the product that the dispatch begins with
  first_y: u32,
  first_z: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
// values[positions · block_cols · ROWS]: part by part, block by block, position by position, k by k, row by row.
@group(0) @binding(1) var<storage, read> values: array<Lane>;
// col_idx[positions]: k − k0, two of 16 bits in a word, the first one low.
@group(0) @binding(2) var<storage, read> col_idx: array<u32>;
// row_ptr[parts · (blocks + 1)]: positions before each block of rows, counted anew in every part. Then, where blocks differ in
// how much they store, order[blocks]: of each group the blocks with the most first, so that neighbours end together.
@group(0) @binding(3) var<storage, read> row_ptr: array<u32>;
// bias[groups · M]
@group(0) @binding(4) var<storage, read> bias: array<f32>;
// b is at binding 5, declared by the input.
// taps[K]: where in an image each k is read: its channel, and how far down (16 bits) and to the right (low 16 bits).
@group(0) @binding(7) var<storage, read> taps: array<vec2u>;
// residual and c are at 6 and 8, declared by the output.

const_assert ROWS == LANE * LANES;
const_assert SPAN == 1u || SPAN == 4u;
const_assert SPANS >= 1u;
// A device that promises only the defaults runs 256 invocations in a group.
const_assert GROUP_X * GROUP_Y <= 256u;

// A workgroup of the product: a device runs only so many each way, what has more is several dispatches.
fn group_of(id: vec3u) -> vec3u {
  return id + vec3u(job.first_x, job.first_y, job.first_z);
}

fn index_of(position: u32) -> u32 {
  return (col_idx[position >> 1u] >> ((position & 1u) << 4u)) & 0xffffu;
}
