// CSR: an index with each position; row_ptr[row_block], row_ptr[row_block + 1] bound the positions of a block of rows.

// Whether a position is a run of block_cols consecutive k, or one k.
const RUNS = false;

// The positions of a block of rows, [x, y), in a part of `columns` columns whose pointers begin at row_ptr[at].
fn bounds(at: u32, row_block: u32, columns: u32) -> vec2u {
  return vec2u(row_ptr[at + row_block], row_ptr[at + row_block + 1u]);
}

// k − k0 of a stored position, the `nth` of its block of rows.
fn column(position: u32, nth: u32) -> u32 {
  return index_of(position);
}

// k − k0 of the `nth` stored k of the block of rows whose positions begin at `first`.
fn stored_k(first: u32, nth: u32) -> u32 {
  return index_of(first + nth);
}
