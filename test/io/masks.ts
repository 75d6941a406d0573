import { BurinError } from '../../src/expect.ts';
import { isKept, type Mask, type Masks } from '../../src/prune/index.ts';
import { sizeOf } from '../../src/tensor.ts';

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const bitsOf = (mask: Mask): string => Array.from({ length: sizeOf(mask.dims) }, (_, i) => Number(isKept(mask, i))).join('');
/** Names, shapes and bits. */
export const shown = (masks: Masks): unknown[] => Array.from(masks, ([name, mask]) => [name, mask.dims, bitsOf(mask)]);

/** What a reader says of bytes that it does not take, or `nothing`. */
export async function refusal(read: () => Promise<unknown>): Promise<string> {
  try {
    await read();
    return 'nothing';
  } catch (error) {
    if (!(error instanceof BurinError)) throw error;
    return `${error.kind}: ${error.message}`;
  }
}
