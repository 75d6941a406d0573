// y[length] = apply(x[length]) with the function's parameters p and q.

struct Job {
  length: u32,
  p: f32,
  q: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn unary(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  // No function here makes a number of NaN, whatever a driver's built-ins do.
  let value = x[i];
  y[i] = select(apply(value, job.p, job.q), value, is_nan(value));
}
