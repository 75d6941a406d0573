// A window over planes of an image: output (r, c) reads rows r·stride_y − top + kh·dilation_y and columns likewise.

struct Job {
  length: u32, // planes · out_height · out_width
  height: u32, width: u32,
  out_height: u32, out_width: u32,
  kernel_height: u32, kernel_width: u32,
  stride_y: u32, stride_x: u32,
  dilation_y: u32, dilation_x: u32,
  top: u32, left: u32,
  bottom: u32, right: u32, // padding that counts in a mean
  multiplier: u32, // output planes an input plane
  filters: u32,
  has_bias: u32, has_residual: u32,
  start: f32,
  lo: f32, hi: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
