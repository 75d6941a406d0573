// y[outer × inner] = the fold of x[outer × length × inner] along the middle axis; an invocation folds one row.

@compute @workgroup_size(THREADS)
fn reduce(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.rows) { return; }
  var at = (i / job.inner) * job.length * job.inner + i % job.inner;
  var sofar = job.start;
  for (var k = 0u; k < job.length; k++) {
    sofar = step(sofar, x[at]);
    at += job.inner;
  }
  y[i] = finish(sofar);
}
