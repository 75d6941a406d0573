// y[batch × filters × out_height × out_width] = clamp(window sums + bias[filters] + residual): filter o of an image reads plane
// o / multiplier of x[batch × filters / multiplier × height × width] with weights[filters × kernel_height × kernel_width]. An invocation
// computes SPAN neighbours of a row, four. Where windows slide by one pixel and taps lie side by side, three of them serve the next tap.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// A pixel of the row of x that begins at `line`; padding reads 0.
fn pixel(line: u32, c: i32) -> f32 {
  if (u32(c) >= job.width) { return 0.0; }
  return x[line + u32(c)];
}

@compute @workgroup_size(THREADS)
fn depthwise(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let i = (group.y * groups.x + group.x) * THREADS + thread;
  if (i >= job.length) { return; }
  let across = (job.out_width + SPAN - 1u) / SPAN;
  let out_row = i / across;
  let out_col = (i % across) * SPAN;
  let filter_plane = out_row / job.out_height;
  let channel = filter_plane % job.filters;
  let plane = (filter_plane / job.multiplier) * job.height * job.width;
  let row = i32((out_row % job.out_height) * job.stride_y) - i32(job.top);
  let col = i32(out_col * job.stride_x) - i32(job.left);
  let step = i32(job.stride_x);
  var w = channel * job.kernel_height * job.kernel_width;
  var sums = Span();
  if (job.has_bias != 0u) { sums = Span(bias[channel]); }
  for (var kh = 0u; kh < job.kernel_height; kh++) {
    let r = row + i32(kh * job.dilation_y);
    if (u32(r) < job.height) {
      let line = plane + u32(r) * job.width;
      var seen = Span();
      if (SLIDES == 1u) { seen = Span(0.0, pixel(line, col), pixel(line, col + 1), pixel(line, col + 2)); }
      for (var kw = 0u; kw < job.kernel_width; kw++) {
        if (SLIDES == 1u) {
          seen = Span(seen.yzw, pixel(line, col + i32(kw) + 3));
        } else {
          let c = col + i32(kw * job.dilation_x);
          seen = Span(pixel(line, c), pixel(line, c + step), pixel(line, c + 2 * step), pixel(line, c + 3 * step));
        }
        sums += weights[w + kw] * seen;
      }
    }
    w += job.kernel_width;
  }
  let at = out_row * job.out_width + out_col;
  for (var o = 0u; o < SPAN; o++) {
    if (out_col + o < job.out_width) {
      var sum = sums[o];
      if (job.has_residual != 0u) { sum += residual[at + o]; }
      y[at + o] = between(sum, job.lo, job.hi);
    }
  }
}
