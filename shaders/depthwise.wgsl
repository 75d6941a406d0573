// y[batch × filters × out_height × out_width] = clamp(window sums + bias[filters] + residual): filter o of an image reads plane
// o / multiplier of x[batch × filters / multiplier × height × width] with weights[filters × kernel_height × kernel_width].

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn depthwise(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let row = i32(((i / job.out_width) % job.out_height) * job.stride_y) - i32(job.top);
  let col = i32((i % job.out_width) * job.stride_x) - i32(job.left);
  let filter_plane = i / (job.out_width * job.out_height);
  let channel = filter_plane % job.filters;
  let plane = (filter_plane / job.multiplier) * job.height * job.width;
  let own = channel * job.kernel_height * job.kernel_width;
  var sum = 0.0;
  if (job.has_bias != 0u) { sum = bias[channel]; }
  for (var kh = 0u; kh < job.kernel_height; kh++) {
    let r = row + i32(kh * job.dilation_y);
    if (r >= 0 && r < i32(job.height)) {
      for (var kw = 0u; kw < job.kernel_width; kw++) {
        let c = col + i32(kw * job.dilation_x);
        if (c >= 0 && c < i32(job.width)) {
          sum += weights[own + kh * job.kernel_width + kw] * x[plane + u32(r) * job.width + u32(c)];
        }
      }
    }
  }
  if (job.has_residual != 0u) { sum += residual[i]; }
  y[i] = between(sum, job.lo, job.hi);
}
