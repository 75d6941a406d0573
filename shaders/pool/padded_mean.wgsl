// The mean of a window's pixels, padding counted as zeros.

fn step(sofar: f32, x: f32) -> f32 {
  return sofar + x;
}

fn finish(sofar: f32, inside: u32, padded: u32) -> f32 {
  return sofar / f32(padded);
}
