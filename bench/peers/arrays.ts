/** A row-major matrix as an array of arrays, which libraries of plain numbers take. */
export function rowsOf(values: ArrayLike<number>, rows: number, cols: number): number[][] {
  return Array.from({ length: rows }, (_, r) => Array.from({ length: cols }, (__, c) => values[r * cols + c]));
}
