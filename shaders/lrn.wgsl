// y = x/(bias + alpha·Σ x²)^beta, the sum from `before` channels before to `after` channels behind, over x[batch × channels × area].

struct Job {
  length: u32,
  channels: u32,
  area: u32,
  before: u32,
  after: u32,
  alpha: f32,
  beta: f32,
  bias: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn lrn(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let channel = (i / job.area) % job.channels;
  let fewer = min(channel, job.before);
  let count = fewer + min(job.channels - 1u - channel, job.after) + 1u;
  var at = i - fewer * job.area;
  var squares = 0.0;
  for (var n = 0u; n < count; n++) {
    squares += x[at] * x[at];
    at += job.area;
  }
  y[i] = x[i] / pow(job.bias + job.alpha * squares, job.beta);
}
