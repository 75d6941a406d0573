// How folds of the invocations of a group become one.

fn joined(sofar: f32, thread: u32) -> f32 {
  return largest_across(sofar, thread);
}
