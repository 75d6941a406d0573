// C[M×N] = clamp(A·B + bias + residual) for a dense A. A group computes GROUP_Y blocks of rows × GROUP_X · SPANS spans of columns and
// stages DEPTH columns of A and rows of B at a time, so that each is read from memory once a group; an invocation keeps one
// block of rows × SPANS spans, GROUP_X spans apart, in registers.

// A block's staged weights, and one float more: blocks then begin in different banks of the workgroup's memory.
const STRIDE = DEPTH * ROWS + 1u;
const WIDTH = GROUP_X * SPANS;
const THREADS = GROUP_X * GROUP_Y;

// A device that promises only the defaults has 16 KB.
const_assert 4u * GROUP_Y * STRIDE + 4u * SPAN * DEPTH * WIDTH <= 16384u;

var<workgroup> weights: array<f32, GROUP_Y * STRIDE>;
var<workgroup> panel: array<Span, DEPTH * WIDTH>;

// Columns [k, k + DEPTH) of A, of a part that begins at values[start] and has `columns` of them, from block `first` on; zeros past
// the part's edge and from block `end` on.
fn stage_weights(thread: u32, first: u32, end: u32, start: u32, k: u32, columns: u32) {
  for (var i = thread; i < GROUP_Y * DEPTH * ROWS; i += THREADS) {
    let y = i / (DEPTH * ROWS);
    let w = i % (DEPTH * ROWS);
    var value = 0.0;
    if (first + y < end && k + w / ROWS < columns) {
      value = values[start + ((first + y) * columns + k) * ROWS + w];
    }
    weights[y * STRIDE + w] = value;
  }
}

// Rows [k, k + DEPTH) of B, those from `end` on as zeros: what follows a part's last row meets staged zeros of A.
fn stage_panel(thread: u32, z: u32, first: u32, k: u32, end: u32) {
  for (var i = thread; i < DEPTH * WIDTH; i += THREADS) {
    let row = k + i / WIDTH;
    let span = first + i % WIDTH;
    var value = Span();
    if (row < end && span < job.spans) {
      value = fetch(place_of(z, span), source_of(row));
    }
    panel[i] = value;
  }
}

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn matmul(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) thread: u32) {
  let first = group.y * GROUP_Y;
  let row = (first + local.y) * job.block_rows;
  let first_block = (group.z % job.groups) * job.group_blocks;
  let first_value = (group.z / job.groups) * job.a_step;
  let first_row = (group.z % job.groups) * job.rows;
  let span = group.x * WIDTH;
  var sums: array<Span, ROWS * SPANS>;
  for (var r = 0u; r < ROWS; r++) {
    for (var s = 0u; s < SPANS; s++) { sums[r * SPANS + s] = begin(first_row + min(row + r, job.rows - 1u)); }
  }
  for (var k0 = 0u; k0 < job.depth; k0 += job.k_block) {
    let columns = min(job.k_block, job.depth - k0);
    for (var k = 0u; k < columns; k += DEPTH) {
      stage_weights(thread, first_block + first, first_block + job.group_blocks, first_value + k0 * job.blocks * ROWS, k, columns);
      stage_panel(thread, group.z, span, k0 + k, k0 + columns);
      workgroupBarrier();
      for (var j = 0u; j < DEPTH; j++) {
        for (var s = 0u; s < SPANS; s++) {
          let x = panel[j * WIDTH + s * GROUP_X + local.x];
          for (var r = 0u; r < ROWS; r++) { sums[r * SPANS + s] += weights[local.y * STRIDE + j * ROWS + r] * x; }
        }
      }
      workgroupBarrier();
    }
  }
  for (var s = 0u; s < SPANS; s++) {
    let last = span + s * GROUP_X + local.x;
    if (last < job.spans) {
      for (var r = 0u; r < ROWS; r++) {
        if (r < job.block_rows && row + r < job.rows) {
          let at = group.z * job.c_step + (row + r) * job.c_row + last * job.c_col;
          c[at] = finish(sums[r * SPANS + s], at);
        }
      }
    }
  }
}
