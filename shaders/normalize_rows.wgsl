// y = scale·(x − mean)/√(variance + epsilon) + shift over rows of x[rows × length], a group a row. Scale and shift are read at
// (row % channels)·by_row + i·by_item: one an element of a row, or one a row. Mean and variance are taken one after the other.

struct Job {
  rows: u32,
  length: u32,
  channels: u32,
  by_row: u32,
  by_item: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn normalize_rows(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let own = group.y * groups.x + group.x;
  let row = min(own, job.rows - 1u); // groups past the end repeat the last row
  let first = row * job.length;
  var sum = 0.0;
  for (var k = thread; k < job.length; k += THREADS) { sum += x[first + k]; }
  let mean = sum_across(sum, thread) / f32(job.length);
  var squares = 0.0;
  for (var k = thread; k < job.length; k += THREADS) {
    let d = x[first + k] - mean;
    squares += d * d;
  }
  let factor = 1.0 / sqrt(sum_across(squares, thread) / f32(job.length) + job.epsilon);
  if (own < job.rows) {
    for (var k = thread; k < job.length; k += THREADS) {
      let at = (row % job.channels) * job.by_row + k * job.by_item;
      y[first + k] = scale[at] * (x[first + k] - mean) * factor + shift[at];
    }
  }
}
