// The end of a transposed convolution: y[batch × filters × out_height × out_width] = clamp(Σ columns + bias[filters]), a pixel's sum
// taken over the pixels of the image whose window reaches it, from columns[batch × filters × kernel × height × width].

@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn scatter(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let row = i32((i / job.out_width) % job.out_height + job.top);
  let col = i32(i % job.out_width + job.left);
  let plane = i / (job.out_width * job.out_height); // of all images
  let area = job.height * job.width;
  var sum = 0.0;
  if (job.has_bias != 0u) { sum = bias[plane % job.filters]; }
  for (var kh = 0u; kh < job.kernel_height; kh++) {
    let down = row - i32(kh * job.dilation_y);
    if (down >= 0 && down % i32(job.stride_y) == 0 && down / i32(job.stride_y) < i32(job.height)) {
      for (var kw = 0u; kw < job.kernel_width; kw++) {
        let across = col - i32(kw * job.dilation_x);
        if (across >= 0 && across % i32(job.stride_x) == 0 && across / i32(job.stride_x) < i32(job.width)) {
          let tap = (plane * job.kernel_height + kh) * job.kernel_width + kw;
          sum += columns[tap * area + u32(down / i32(job.stride_y)) * job.width + u32(across / i32(job.stride_x))];
        }
      }
    }
  }
  y[i] = between(sum, job.lo, job.hi);
}
