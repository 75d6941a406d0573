// y[outer × count × inner] = x[outer × length × inner] at places[count] along the middle axis; the filler where a place is
// negative.

struct Job {
  size: u32, // outer · count · inner
  count: u32,
  inner: u32,
  length: u32,
  filler: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> places: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(THREADS)
fn gather(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.size) { return; }
  let row = i / job.inner;
  let place = places[row % job.count];
  var value = job.filler;
  if (place >= 0) {
    value = x[((row / job.count) * job.length + u32(place)) * job.inner + i % job.inner];
  }
  y[i] = value;
}
