// B as a matrix, in rows or in columns: b[z · b_step + k · b_row + span · b_col].

@group(0) @binding(5) var<storage, read> b: array<Span>;

// Where a span of product z begins, and how far from there row k is.
struct Place { at: u32 }
struct Source { at: u32 }

fn place_of(z: u32, span: u32) -> Place {
  return Place(z * job.b_step + span * job.b_col);
}

fn source_of(k: u32) -> Source {
  return Source(k * job.b_row);
}

fn fetch(place: Place, source: Source) -> Span {
  return b[place.at + source.at];
}
