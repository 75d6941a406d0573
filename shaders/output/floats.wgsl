// C and the residual float by float: rows of any length, and elements of a row anywhere.

@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> c: array<f32>;

// A sum of the row that begins at `row`, an element of c; the last span may reach past the row.
fn store(row: u32, span: u32, sum: Span) {
  for (var i = 0u; i < SPAN; i++) {
    if (span * SPAN + i < job.columns) {
      let at = row + (span * SPAN + i) * job.c_col;
      if (job.residual != 0u) { c[at] = finish(sum + Span(residual[at]))[i]; } else { c[at] = finish(sum)[i]; }
    }
  }
}
