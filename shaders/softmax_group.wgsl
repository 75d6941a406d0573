// The same by a group a row: each invocation takes every THREADS-th element, and partial results are joined across the group.

@compute @workgroup_size(THREADS)
fn softmax_group(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let own = group.y * groups.x + group.x;
  let row = min(own, job.rows - 1u); // groups past the end repeat the last row
  let first = (row / job.inner) * job.length * job.inner + row % job.inner;
  var most = x[first];
  for (var k = thread; k < job.length; k += THREADS) { most = larger(most, x[first + k * job.inner]); }
  most = largest_across(most, thread);
  var sum = 0.0;
  for (var k = thread; k < job.length; k += THREADS) { sum += exponential(x[first + k * job.inner] - most); }
  sum = sum_across(sum, thread);
  if (own < job.rows) {
    for (var k = thread; k < job.length; k += THREADS) { y[first + k * job.inner] = finish(x[first + k * job.inner] - most, sum); }
  }
}
