// B float by float, four columns a span, its elements anywhere: b[z · b_step + k · b_row + column · b_col].

@group(0) @binding(5) var<storage, read> b: array<f32>;

// Where the columns of a span of product z begin, and how far from there row k is.
struct Place { at: vec4u }
struct Source { at: u32 }

// Columns past the last one read it again.
fn place_of(z: u32, span: u32) -> Place {
  return Place(z * job.b_step + min(span * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(job.columns - 1u)) * job.b_col);
}

fn source_of(k: u32) -> Source {
  return Source(k * job.b_row);
}

fn fetch(place: Place, source: Source) -> Span {
  let at = place.at + source.at;
  return vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
}
