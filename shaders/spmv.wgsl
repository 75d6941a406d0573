// C[M×N] = clamp(A·B + bias + residual) for few columns, as of linear layers of one vector. ALONG invocations share a block of
// rows: each takes every ALONG-th stored k, so that they read A side by side, and their sums are added up across the group.
// That takes GROUP_Y blocks and one column.

const_assert ALONG * GROUP_Y <= 256u && ALONG >= ROWS;

@compute @workgroup_size(ALONG, GROUP_Y)
fn spmv(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let group = group_of(id);
  let nth = min(group.y * GROUP_Y + local.y, job.group_blocks - 1u);
  let listed = row_ptr[job.order + (group.z % job.groups) * job.group_blocks + nth];
  let row_block = select(nth, listed, job.order != 0u);
  let first = row_block * job.block_rows;
  // What fills up a group of rows, or a list of blocks, has no rows.
  let live = group.y * GROUP_Y + local.y < job.group_blocks && first < job.rows;
  let first_row = (group.z % job.groups) * job.rows + first;
  let stored_block = (group.z % job.groups) * job.group_blocks + row_block;
  let first_value = (group.z / job.groups) * job.a_step / LANE;
  let place = place_of(group.z, group.x);
  var sums: array<f32, ROWS>;
  var start = 0u; // positions before this part
  for (var part = 0u; part < job.parts; part++) {
    let k0 = part * job.k_block;
    let at = part * (job.blocks + 1u);
    let range = bounds(at, stored_block, min(job.k_block, job.depth - k0));
    let length = select(0u, (range.y - range.x) * job.block_cols, live); // k stored for a block of rows
    let value = first_value + (start + range.x) * job.block_cols * LANES;
    for (var flat = local.x; flat < length; flat += ALONG) {
      let k = k0 + stored_k(start + range.x, flat);
      // A block may reach past the last k.
      if (k < job.depth) {
        let x = fetch(place, source_of(k));
        for (var v = 0u; v < LANES; v++) {
          let lane = rows_of(weights_at(value + flat * LANES + v));
          for (var r = 0u; r < LANE; r++) { sums[v * LANE + r] += lane[r] * x; }
        }
      }
    }
    start += row_ptr[at + job.blocks];
  }
  let whole = rows_across(sums, local);
  let rows = select(0u, min(job.block_rows, job.rows - first), live);
  for (var r = 0u; r < ROWS; r++) {
    if (local.x == r && r < rows) { store(group.z * job.c_step + (first + r) * job.c_row, group.x, begin(first_row + r) + whole[r]); }
  }
}
