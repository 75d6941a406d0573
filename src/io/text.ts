import { expect } from '../expect.ts';

/** Elements beyond which a matrix is not unfolded: 1 GiB of f32. */
const MOST_ELEMENTS = 2 ** 28;

export const textLines = (bytes: Uint8Array): string[] => new TextDecoder().decode(bytes).split(/\r?\n/);

/** @throws BurinError `file` for what are no dimensions, `limit` for a matrix that is too large to be unfolded */
export function checkSize(rows: number, cols: number, where: string): void {
  const whole = (n: number): boolean => Number.isInteger(n) && n >= 0;
  expect(whole(rows) && whole(cols), { kind: 'file', where, needs: 'rows and columns', got: `${rows}, ${cols}` });
  expect(rows * cols <= MOST_ELEMENTS, { kind: 'limit', where, needs: `at most ${MOST_ELEMENTS} elements`, got: `${rows} × ${cols}` });
}
