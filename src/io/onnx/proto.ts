import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { expect, fail, show } from '../../expect.ts';

/** Bytes as a protobuf message. @throws BurinError `file` when they are not one. */
export function decode<D extends DescMessage>(schema: D, bytes: Uint8Array, where: string): MessageShape<D> {
  expect(bytes instanceof Uint8Array, { kind: 'argument', where, needs: 'the bytes of the file as a Uint8Array', got: show(bytes) });
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    return fail({
      kind: 'file', where: `${where}, ${bytes.length} bytes`, needs: `a whole ${schema.typeName} message`, got: show(cause),
      remedy: 'the file is cut short, damaged or of another format', cause,
    });
  }
}

/** An integer of the file as a number; one beyond 2^53 (a slice that ends at INT64_MAX, say) becomes the largest exact number. */
export function integer(value: bigint): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}
