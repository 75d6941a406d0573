/** What is wanted: something made of data, that may be there already. */
export interface Wanted<T> {
  /** What besides the data makes two of them the same. */
  readonly key: string;
  readonly data: readonly ArrayBufferView[];
  readonly make: () => T;
  /** Called when nobody uses it any more. */
  readonly end: (made: T) => void;
}

export interface Lease<T> {
  readonly made: T;
  /** Gives it back; once, what comes after has no effect. */
  release(): void;
}

interface Entry { readonly data: readonly ArrayBufferView[]; readonly made: unknown; users: number }

function sameBytes(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (a.byteLength !== b.byteLength) return false;
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  const words = [a, b].every(({ byteOffset, byteLength }) => byteOffset % 4 === 0 && byteLength % 4 === 0);
  const View = words ? Uint32Array : Uint8Array, length = a.byteLength / View.BYTES_PER_ELEMENT;
  const viewOf = ({ buffer, byteOffset }: ArrayBufferView) => new View(buffer as ArrayBuffer, byteOffset, length);
  const [left, right] = [viewOf(a), viewOf(b)];
  for (let i = 0; i < length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/**
 * Shares what is made of equal data among all that ask for it. Plans of one network for different shapes have the same weights, but not
 * always in the same arrays: passes that fold something into a weight make it anew, so that contents are compared, which is quickly done
 * where they differ. The data of what is in use must not change.
 */
export function sharing(): <T>(wanted: Wanted<T>) => Lease<T> {
  const known = new Map<string, Entry[]>();
  return <T>({ key, data, make, end }: Wanted<T>): Lease<T> => {
    const group = `${key}|${data.map(({ byteLength }) => byteLength).join()}`, list = known.get(group) ?? [];
    const found = list.find((entry) => entry.data.every((own, i) => sameBytes(own, data[i])));
    const entry = found ?? { data, made: make(), users: 0 };
    entry.users++;
    if (!found) known.set(group, [...list, entry]);
    let open = true;
    return {
      made: entry.made as T,
      release() {
        if (!open) return;
        open = false;
        if (--entry.users > 0) return;
        const rest = known.get(group)!.filter((other) => other !== entry);
        if (rest.length) known.set(group, rest);
        else known.delete(group);
        end(entry.made as T);
      },
    };
  };
}
