// C and the residual in spans that begin where a span of columns does.

@group(0) @binding(6) var<storage, read> residual: array<Span>;
@group(0) @binding(8) var<storage, read_write> c: array<Span>;

// A sum of the row that begins at `row`, an element of c.
fn store(row: u32, span: u32, sum: Span) {
  let at = row + span * job.c_col;
  if (job.residual != 0u) { c[at] = finish(sum + residual[at]); } else { c[at] = finish(sum); }
}
