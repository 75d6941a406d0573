// The same fold by a group a row: each invocation folds every THREADS-th element, then they are joined across the group.

@compute @workgroup_size(THREADS)
fn reduce_group(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let row = group.y * groups.x + group.x;
  let first = (row / job.inner) * job.length * job.inner + row % job.inner;
  var sofar = job.start;
  if (row < job.rows) {
    for (var k = thread; k < job.length; k += THREADS) { sofar = step(sofar, x[first + k * job.inner]); }
  }
  let whole = joined(sofar, thread);
  if (thread == 0u && row < job.rows) { y[row] = finish(whole); }
}
