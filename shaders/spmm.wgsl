// C[M×N] = clamp(A·B + bias + residual). An invocation computes one block of rows × SPANS spans of columns, GROUP_X spans apart,
// so that neighbours read neighbouring memory; a group takes GROUP_Y blocks × GROUP_X · SPANS spans. Which k are stored is the
// pattern's to say and the same for every invocation of a block, so a weight and its index are read once for all of them; where
// k lies in memory is the input's.

// Sums that one invocation holds in registers.
const_assert ROWS * SPANS * SPAN <= 64u;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn spmm(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let group = group_of(id);
  if (group.y * GROUP_Y + local.y >= job.group_blocks) { return; }
  let nth = group.y * GROUP_Y + local.y;
  let listed = row_ptr[job.order + (group.z % job.groups) * job.group_blocks + nth];
  let row_block = select(nth, listed, job.order != 0u);
  let row = row_block * job.block_rows;
  // What fills up a group's last block of the format, or a list of blocks, has no rows.
  if (row >= job.rows) { return; }
  let first_row = (group.z % job.groups) * job.rows + row;
  let stored_block = (group.z % job.groups) * job.group_blocks + row_block;
  let first_value = (group.z / job.groups) * job.a_step / LANE;
  let rows = min(job.block_rows, job.rows - row);
  let span = group.x * GROUP_X * SPANS + local.x;
  var sums: array<Span, ROWS * SPANS>;
  for (var r = 0u; r < ROWS; r++) {
    for (var s = 0u; s < SPANS; s++) { sums[r * SPANS + s] = begin(first_row + min(r, rows - 1u)); }
  }
  // Past the last span there is nothing to compute; the last one is read instead and its sum is not stored.
  var places: array<Place, SPANS>;
  for (var s = 0u; s < SPANS; s++) { places[s] = place_of(group.z, min(span + s * GROUP_X, job.spans - 1u)); }
  var start = 0u; // positions before this part
  for (var part = 0u; part < job.parts; part++) {
    let k0 = part * job.k_block;
    let at = part * (job.blocks + 1u);
    let range = bounds(at, stored_block, min(job.k_block, job.depth - k0));
    for (var i = range.x; i < range.y; i++) {
      let w = first_value + (start + i) * job.block_cols * LANES;
      let k = k0 + column(start + i, i - range.x);
      // The last run may reach past K: it ends there, because what lies past the end of B, times a stored zero, need not be zero.
      let columns = min(job.block_cols, job.depth - k);
      var j = 0u;
      // One k is no loop: walking it as a run of one took SwiftShader twice to three times as long.
      loop {
        let source = source_of(k + j);
        for (var s = 0u; s < SPANS; s++) {
          let x = fetch(places[s], source);
          for (var v = 0u; v < LANES; v++) {
            let lane = rows_of(weights_at(w + j * LANES + v));
            for (var r = 0u; r < LANE; r++) { sums[(v * LANE + r) * SPANS + s] += lane[r] * x; }
          }
        }
        if (!RUNS) { break; }
        j++;
        if (j == columns) { break; }
      }
    }
    start += row_ptr[at + job.blocks];
  }
  for (var s = 0u; s < SPANS; s++) {
    if (span + s * GROUP_X < job.spans) {
      for (var r = 0u; r < ROWS; r++) {
        if (r < rows) { store(group.z * job.c_step + (row + r) * job.c_row, span + s * GROUP_X, sums[r * SPANS + s]); }
      }
    }
  }
}
