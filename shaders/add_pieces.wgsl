// C[M×N] = clamp(Σ pieces + bias + residual) for blocks of rows that store so much that they were computed in pieces (split-K): the
// sums of a piece are rows of B, those of a block of its own, and are added in the order of the pieces. An invocation adds up one
// span of one row.

// row_ptr[groups · group_blocks · 3] from job.order on: of each such block its place among the blocks of its group, its first piece
// and how many it has. A group that has fewer of them than another is filled up with blocks past its last row.
@compute @workgroup_size(GROUP_X, GROUP_Y)
fn add_pieces(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let group = group_of(id);
  let nth = group.y * GROUP_Y + local.y;
  let span = group.x * GROUP_X + local.x;
  if (nth >= job.group_blocks * job.block_rows || span >= job.spans) { return; }
  let listed = job.order + ((group.z % job.groups) * job.group_blocks + nth / job.block_rows) * 3u;
  let in_block = nth % job.block_rows;
  let row = row_ptr[listed] * job.block_rows + in_block;
  if (row >= job.rows) { return; }
  let place = place_of(group.z, span);
  let first = row_ptr[listed + 1u];
  var sum = begin((group.z % job.groups) * job.rows + row);
  for (var piece = first; piece < first + row_ptr[listed + 2u]; piece++) {
    sum += fetch(place, source_of(piece * job.block_rows + in_block));
  }
  store(group.z * job.c_step + row * job.c_row, span, sum);
}
