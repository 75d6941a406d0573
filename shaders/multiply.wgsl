// C[batch × M × N] = scale · A·B of matrices neither of which is known before the run, each read with a stride a row and a column
// from its own start. An invocation computes 4 × 4 of C; those past its edges read the last row and column and store nothing.

struct Job {
  rows: u32, // M
  cols: u32, // N
  depth: u32, // K
  batch: u32,
  a_row: u32, a_col: u32,
  b_row: u32, b_col: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> starts: array<vec2u>; // of A and B, for each of batch
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(THREADS)
fn multiply(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  let across = (job.cols + 3u) / 4u;
  let down = (job.rows + 3u) / 4u;
  if (i >= across * down * job.batch) { return; }
  let col = (i % across) * 4u;
  let row = ((i / across) % down) * 4u;
  let matrix = i / (across * down);
  let first = starts[matrix];
  var left: array<u32, 4>;
  var right: array<u32, 4>;
  for (var r = 0u; r < 4u; r++) {
    left[r] = first.x + min(row + r, job.rows - 1u) * job.a_row;
    right[r] = first.y + min(col + r, job.cols - 1u) * job.b_col;
  }
  var sums: array<vec4f, 4>;
  for (var k = 0u; k < job.depth; k++) {
    let values = vec4f(b[right[0]], b[right[1]], b[right[2]], b[right[3]]);
    for (var r = 0u; r < 4u; r++) {
      sums[r] += a[left[r]] * values;
      left[r] += job.a_col;
      right[r] += job.b_row;
    }
  }
  for (var r = 0u; r < 4u; r++) {
    for (var s = 0u; s < 4u; s++) {
      if (row + r < job.rows && col + s < job.cols) {
        c[(matrix * job.rows + row + r) * job.cols + col + s] = sums[r][s] * job.scale;
      }
    }
  }
}
