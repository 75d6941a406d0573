// y[planes × out_height × out_width]: each pixel a sum over the taps of its row and its column, [place, weight as bits] each,
// ROWS and columns TAPS long. A tap without a place stands for `outside`.

struct Job {
  length: u32, // planes · out_height · out_width
  height: u32, width: u32,
  out_height: u32, out_width: u32,
  outside: f32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<vec2u>; // [out_height · TAPS]
@group(0) @binding(3) var<storage, read> cols: array<vec2u>; // [out_width · TAPS]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn resize(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let row = ((i / job.out_width) % job.out_height) * TAPS;
  let col = (i % job.out_width) * TAPS;
  let plane = (i / (job.out_width * job.out_height)) * job.height * job.width;
  var sum = 0.0;
  for (var r = 0u; r < TAPS; r++) {
    let down = rows[row + r];
    for (var c = 0u; c < TAPS; c++) {
      let across = cols[col + c];
      if (down.x != NOWHERE && across.x != NOWHERE) {
        sum += bitcast<f32>(down.y) * bitcast<f32>(across.y) * x[plane + down.x * job.width + across.x];
      }
    }
  }
  y[i] = select(sum, job.outside, rows[row].x == NOWHERE || cols[col].x == NOWHERE);
}
