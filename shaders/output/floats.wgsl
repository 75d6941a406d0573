// C and the residual float by float: rows of any length, and elements of a row anywhere.

@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(8) var<storage, read_write> c: array<f32>;

const_assert SPAN == 4u;

// A sum of the row that begins at `row`, an element of c; the last span may reach past the row.
fn store(row: u32, span: u32, sum: Span) {
  var whole = sum;
  let at = row + span * 4u * job.c_col;
  let last = min(4u, job.columns - span * 4u);
  for (var i = 0u; i < last; i++) {
    if (job.residual != 0u) { whole[i] += residual[at + i * job.c_col]; }
  }
  whole = finish(whole);
  for (var i = 0u; i < last; i++) { c[at + i * job.c_col] = whole[i]; }
}
