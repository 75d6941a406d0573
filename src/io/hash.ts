const OFFSET_HIGH = 0xcbf29ce4, OFFSET_LOW = 0x84222325;
/** The prime is 2^40 + this. */
const PRIME_LOW = 0x1b3;

/**
 * The 64-bit FNV-1a hash as 16 hexadecimal digits: (hash ^ byte) · (2^40 + 0x1b3) mod 2^64 for each byte. It finds damage; it is no
 * protection against anybody who wants to deceive. http://www.isthe.com/chongo/tech/comp/fnv
 */
export function fnv64(bytes: Uint8Array): string {
  let [high, low] = [OFFSET_HIGH | 0, OFFSET_LOW | 0];
  for (let i = 0; i < bytes.length; i++) {
    low ^= bytes[i];
    // In halves of 16 bits, so that products stay small integers.
    const first = (low & 0xffff) * PRIME_LOW, second = (low >>> 16) * PRIME_LOW + (first >>> 16);
    high = (Math.imul(high, PRIME_LOW) + (second >>> 16) + (low << 8)) | 0;
    low = (second << 16) | (first & 0xffff);
  }
  return [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
