// Swish: x/(1 + e^(−p·x)).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return x * (1.0 / (1.0 + exp(-p * x)));
}
