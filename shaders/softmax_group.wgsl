// The same by a group a row: each invocation takes every THREADS-th element, and partial results are joined in pairs.

var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn softmax_group(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let own = group.y * groups.x + group.x;
  let row = min(own, job.rows - 1u); // groups past the end repeat the last row
  let first = (row / job.inner) * job.length * job.inner + row % job.inner;
  var most = x[first];
  for (var k = thread; k < job.length; k += THREADS) { most = larger(most, x[first + k * job.inner]); }
  parts[thread] = most;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { parts[thread] = larger(parts[thread], parts[thread + half]); }
    workgroupBarrier();
  }
  most = parts[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var k = thread; k < job.length; k += THREADS) { sum += exponential(x[first + k * job.inner] - most); }
  parts[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { parts[thread] += parts[thread + half]; }
    workgroupBarrier();
  }
  sum = parts[0];
  if (own < job.rows) {
    for (var k = thread; k < job.length; k += THREADS) { y[first + k * job.inner] = finish(x[first + k * job.inner] - most, sum); }
  }
}
