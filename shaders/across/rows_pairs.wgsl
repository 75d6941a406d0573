// Sums of ROWS values over the ALONG invocations of a group that share a block of rows, added in pairs.

const_assert 4u * ALONG * GROUP_Y * ROWS <= 16384u;

var<workgroup> partial: array<f32, ALONG * GROUP_Y * ROWS>;

// The sums, in every invocation. All invocations of a group must call it.
fn rows_across(values: array<f32, ROWS>, local: vec3u) -> array<f32, ROWS> {
  let own = local.y * ROWS * ALONG + local.x;
  for (var r = 0u; r < ROWS; r++) { partial[own + r * ALONG] = values[r]; }
  workgroupBarrier();
  for (var half = ALONG / 2u; half > 0u; half = half >> 1u) {
    if (local.x < half) {
      for (var r = 0u; r < ROWS; r++) { partial[own + r * ALONG] += partial[own + r * ALONG + half]; }
    }
    workgroupBarrier();
  }
  var sums: array<f32, ROWS>;
  for (var r = 0u; r < ROWS; r++) { sums[r] = partial[(local.y * ROWS + r) * ALONG]; }
  return sums;
}
