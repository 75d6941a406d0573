// The operands of a fold: y[outer × inner] from x[outer × length × inner].

struct Job {
  rows: u32, // outer · inner
  length: u32,
  inner: u32,
  start: f32, // what the fold begins with: an infinity is no constant of the language
  scale: f32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
