// y[to + Σ k·d] = x[from + Σ k·s] over RANK axes n0 × n1 × …, the first one outermost; s may be negative. Elements are of 32 bits,
// whatever they mean.

struct Job {
  length: u32,
  from_place: u32,
  to_place: u32,
  n0: u32, n1: u32, n2: u32, n3: u32, n4: u32, n5: u32,
  s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32,
  d0: i32, d1: i32, d2: i32, d3: i32, d4: i32, d5: i32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(THREADS)
fn copy(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  var rest = i;
  var at = vec2i(i32(job.from_place), i32(job.to_place));
  if (RANK > 4u) {
    at += i32(rest % job.n5) * vec2i(job.s5, job.d5);
    rest /= job.n5;
    at += i32(rest % job.n4) * vec2i(job.s4, job.d4);
    rest /= job.n4;
  }
  if (RANK > 2u) {
    at += i32(rest % job.n3) * vec2i(job.s3, job.d3);
    rest /= job.n3;
    at += i32(rest % job.n2) * vec2i(job.s2, job.d2);
    rest /= job.n2;
  }
  if (RANK > 1u) {
    at += i32(rest % job.n1) * vec2i(job.s1, job.d1);
    rest /= job.n1;
  }
  at += i32(rest) * vec2i(job.s0, job.d0);
  y[at.y] = x[at.x];
}
