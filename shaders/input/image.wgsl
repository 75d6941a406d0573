// B as what a window sees of an image (im2col that is never written down): k is a channel and a tap of the window, a column is
// a pixel of the output, padding reads 0. A span is one pixel.

// b[images · groups · channels · height · width]
@group(0) @binding(5) var<storage, read> b: array<f32>;

// Where the window of a pixel of product z begins; with padding, above or left of the image.
struct Place { at: i32, y: i32, x: i32 }
// How far from there k is, in elements and in pixels.
struct Source { at: i32, y: i32, x: i32 }

fn place_of(z: u32, span: u32) -> Place {
  let y = i32((span / job.out_width) * job.stride_y) - i32(job.top);
  let x = i32((span % job.out_width) * job.stride_x) - i32(job.left);
  return Place(i32(z * job.b_step) + y * i32(job.width) + x, y, x);
}

fn source_of(k: u32) -> Source {
  let tap = taps[k];
  let y = i32(tap.y >> 16u);
  let x = i32(tap.y & 0xffffu);
  return Source(i32(tap.x * job.b_row) + y * i32(job.width) + x, y, x);
}

fn fetch(place: Place, source: Source) -> Span {
  if (u32(place.y + source.y) >= job.height || u32(place.x + source.x) >= job.width) { return Span(); }
  return Span(b[place.at + source.at]);
}
