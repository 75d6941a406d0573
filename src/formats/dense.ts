import type { Format } from './format.ts';

/** Every weight, no index: the baseline all sparse formats are held against. */
export const dense: Format = {
  about: 'every weight, no index',
  indexed: false,
  block: { rows: 1, cols: 1 },
  stored: (_matrix, _block, _row, k0, k1, out) => {
    for (let k = k0; k < k1; k++) out[k - k0] = k;
    return k1 - k0;
  },
};
