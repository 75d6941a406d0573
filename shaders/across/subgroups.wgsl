// What all THREADS invocations of a group hold, joined by subgroups first: two barriers, whatever their size. Neither that size nor
// which invocations make a subgroup is taken for granted.

var<workgroup> partial: array<f32, THREADS>;

// Of those that are there: a group may be smaller than a subgroup.
fn place_in_subgroup() -> u32 { return subgroupExclusiveAdd(1u); }
fn subgroup_count() -> u32 { return subgroupAdd(1u); }

// Whole numbers in the order of floats, NaN above all: built-ins of floats leave open what they make of NaN.
fn key_of(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let ordered = select(bits | 0x80000000u, ~bits, bits > 0x7fffffffu);
  return select(ordered, 0xffffffffu, is_nan(value));
}

fn float_of(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key > 0x7fffffffu));
}

// Each gives the result to every invocation, and all invocations of a group must call it.

fn sum_across(value: f32, thread: u32) -> f32 {
  let place = place_in_subgroup();
  let size = subgroup_count();
  let sum = subgroupAdd(value);
  partial[thread] = select(0.0, sum, place == 0u);
  workgroupBarrier();
  var whole = 0.0;
  for (var i = place; i < THREADS; i += size) { whole += partial[i]; }
  workgroupBarrier();
  return subgroupAdd(whole);
}

fn product_across(value: f32, thread: u32) -> f32 {
  let place = place_in_subgroup();
  let size = subgroup_count();
  let product = subgroupMul(value);
  partial[thread] = select(1.0, product, place == 0u);
  workgroupBarrier();
  var whole = 1.0;
  for (var i = place; i < THREADS; i += size) { whole *= partial[i]; }
  workgroupBarrier();
  return subgroupMul(whole);
}

fn largest_across(value: f32, thread: u32) -> f32 {
  let place = place_in_subgroup();
  let size = subgroup_count();
  partial[thread] = float_of(subgroupMax(key_of(value)));
  workgroupBarrier();
  var whole = value;
  for (var i = place; i < THREADS; i += size) { whole = larger(whole, partial[i]); }
  workgroupBarrier();
  return float_of(subgroupMax(key_of(whole)));
}

// As the largest of what has the other sign.
fn smallest_across(value: f32, thread: u32) -> f32 {
  return -largest_across(-value, thread);
}
