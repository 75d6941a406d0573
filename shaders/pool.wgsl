// y[planes × out_height × out_width]: the fold of the pixels of x[planes × height × width] in each window.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// Taps from `first` on, `dilation` apart, that lie below `end`.
fn taps_below(first: i32, end: i32, dilation: u32, taps: u32) -> u32 {
  return min(taps, u32(max(end - first + i32(dilation) - 1, 0)) / dilation);
}

@compute @workgroup_size(THREADS)
fn pool(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let row = i32(((i / job.out_width) % job.out_height) * job.stride_y) - i32(job.top);
  let col = i32((i % job.out_width) * job.stride_x) - i32(job.left);
  let plane = (i / (job.out_width * job.out_height)) * job.height * job.width;
  var sofar = job.start;
  var count = 0u;
  for (var kh = 0u; kh < job.kernel_height; kh++) {
    let r = row + i32(kh * job.dilation_y);
    if (r >= 0 && r < i32(job.height)) {
      for (var kw = 0u; kw < job.kernel_width; kw++) {
        let c = col + i32(kw * job.dilation_x);
        if (c >= 0 && c < i32(job.width)) {
          sofar = step(sofar, x[plane + u32(r) * job.width + u32(c)]);
          count++;
        }
      }
    }
  }
  let rows = taps_below(row, i32(job.height + job.bottom), job.dilation_y, job.kernel_height);
  let cols = taps_below(col, i32(job.width + job.right), job.dilation_x, job.kernel_width);
  y[i] = finish(sofar, count, rows * cols);
}
