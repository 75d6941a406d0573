// Sums of ROWS values over the ALONG invocations of a group, added by subgroups first: one barrier, whatever their size. Neither
// that size nor which invocations make a subgroup is taken for granted.

const_assert GROUP_Y == 1u;
const_assert 4u * ALONG * ROWS <= 16384u;

var<workgroup> partial: array<f32, ALONG * ROWS>;

// The sums, in every invocation. All invocations of a group must call it.
fn rows_across(values: array<f32, ROWS>, local: vec3u) -> array<f32, ROWS> {
  // Of those that are there: a group may be smaller than a subgroup.
  let place = subgroupExclusiveAdd(1u);
  let size = subgroupAdd(1u);
  for (var r = 0u; r < ROWS; r++) {
    let sum = subgroupAdd(values[r]);
    partial[r * ALONG + local.x] = select(0.0, sum, place == 0u);
  }
  workgroupBarrier();
  var sums: array<f32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    var sum = 0.0;
    for (var i = place; i < ALONG; i += size) { sum += partial[r * ALONG + i]; }
    sums[r] = subgroupAdd(sum);
  }
  return sums;
}
