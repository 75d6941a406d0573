// LogSoftmax: from x − max and Σ e^(x − max).

fn finish(shifted: f32, sum: f32) -> f32 {
  return shifted - logarithm(sum);
}
