// The mean of a window's pixels, padding counted as zeros.

fn step(sofar: f32, value: f32) -> f32 {
  return sofar + value;
}

fn finish(sofar: f32, inside: u32, padded: u32) -> f32 {
  return sofar / f32(padded);
}
