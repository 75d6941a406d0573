// How folds of the invocations of a group become one.

fn joined(sofar: f32, thread: u32) -> f32 {
  return product_across(sofar, thread);
}
