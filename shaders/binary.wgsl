// y[length] = apply(a, b) in [lo, hi] over RANK axes n0 × n1 × …, the first one outermost; y is whole, a and b are read with a
// stride an axis, 0 where they repeat.

struct Job {
  length: u32,
  n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32,
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
  lo: f32,
  hi: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn binary(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  var rest = i;
  var at = vec2u(0u, 0u);
  if (RANK > 4u) {
    at += (rest % job.n5) * vec2u(job.a5, job.b5);
    rest /= job.n5;
    at += (rest % job.n4) * vec2u(job.a4, job.b4);
    rest /= job.n4;
  }
  if (RANK > 2u) {
    at += (rest % job.n3) * vec2u(job.a3, job.b3);
    rest /= job.n3;
    at += (rest % job.n2) * vec2u(job.a2, job.b2);
    rest /= job.n2;
  }
  if (RANK > 1u) {
    at += (rest % job.n1) * vec2u(job.a1, job.b1);
    rest /= job.n1;
  }
  at += rest * vec2u(job.a0, job.b0);
  y[i] = between(apply(a[at.x], b[at.y]), job.lo, job.hi);
}
