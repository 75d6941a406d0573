// B as what a window sees of an image, as input/image.wgsl, with four pixels a span.

// b[images · groups · channels · height · width]
@group(0) @binding(5) var<storage, read> b: array<f32>;

// Where the windows of four pixels of product z begin; with padding, above or left of the image.
struct Place { at: vec4i, y: vec4i, x: vec4i }
// How far from there k is, in elements and in pixels.
struct Source { at: i32, y: i32, x: i32 }

// Pixels past the last one read it again.
fn place_of(z: u32, span: u32) -> Place {
  let pixel = min(span * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(job.columns - 1u));
  let y = vec4i((pixel / job.out_width) * job.stride_y) - i32(job.top);
  let x = vec4i((pixel % job.out_width) * job.stride_x) - i32(job.left);
  return Place(i32(z * job.b_step) + y * i32(job.width) + x, y, x);
}

fn source_of(k: u32) -> Source {
  let tap = taps[k];
  let y = i32(tap.y >> 16u);
  let x = i32(tap.y & 0xffffu);
  return Source(i32(tap.x * job.b_row) + y * i32(job.width) + x, y, x);
}

fn pixel_at(at: i32, y: i32, x: i32) -> f32 {
  if (u32(y) >= job.height || u32(x) >= job.width) { return 0.0; }
  return b[at];
}

fn fetch(place: Place, source: Source) -> Span {
  let at = place.at + source.at;
  let y = place.y + source.y;
  let x = place.x + source.x;
  return vec4f(
    pixel_at(at.x, y.x, x.x), pixel_at(at.y, y.y, x.y), pixel_at(at.z, y.z, x.z), pixel_at(at.w, y.w, x.w),
  );
}
