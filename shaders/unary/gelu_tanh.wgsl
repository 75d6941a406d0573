// Gelu by its approximation x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))).

fn apply(x: f32, p: f32, q: f32) -> f32 {
  return 0.5 * x * (1.0 + tanh(between(0.7978845608028654 * (x + 0.044715 * x * x * x), -15.0, 15.0)));
}
