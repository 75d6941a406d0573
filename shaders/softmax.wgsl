// e^(x − max)/Σ e^(x − max) along the middle axis; an invocation does one row.

@compute @workgroup_size(THREADS)
fn softmax(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.rows) { return; }
  let first = (i / job.inner) * job.length * job.inner + i % job.inner;
  var most = x[first];
  for (var k = 1u; k < job.length; k++) { most = larger(most, x[first + k * job.inner]); }
  var sum = 0.0;
  for (var k = 0u; k < job.length; k++) { sum += exponential(x[first + k * job.inner] - most); }
  for (var k = 0u; k < job.length; k++) { y[first + k * job.inner] = finish(x[first + k * job.inner] - most, sum); }
}
