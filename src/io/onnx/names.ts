/** Gives out names, each one once: `name`, `name_1`, `name_2`, … */
export function namer(taken: Iterable<string> = []): (wanted: string) => string {
  const used = new Set(taken);
  const next = new Map<string, number>();
  return (wanted) => {
    let name = wanted;
    for (let i = next.get(wanted) ?? 1; used.has(name); next.set(wanted, i)) name = `${wanted}_${i++}`;
    used.add(name);
    return name;
  };
}
