/** Names beyond this are no misspellings that could be told from others. */
const MOST_LETTERS = 100;

/** Names of PyTorch, ONNX and Keras for one layer differ in what separates their parts: `layer1.0.conv1`, `/layer1/layer1.0/conv1`. */
const folded = (name: string): string => name.slice(0, MOST_LETTERS).toLowerCase().replace(/[./:]+/g, '.');

/** How many letters must be put in, left out or exchanged to make `b` of `a` (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Uint16Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = new Uint16Array(b.length + 1);
    next[0] = i;
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** How far `name` is from what was asked for; Infinity where they have nothing to do with each other. */
function farness(asked: string, name: string): number {
  const far = distance(asked, name), most = Math.max(1, Math.floor(asked.length / 3));
  const within = Math.min(asked.length, name.length) >= 2 && (name.includes(asked) || asked.includes(name));
  return far <= most ? far : within ? most : Infinity;
}

/** Those of `names` that `asked` may be a misspelling of, the nearest first. */
export function near(asked: string, names: readonly string[], most = 3): string[] {
  const wanted = folded(asked), ranked = [...new Set(names)].map((name) => ({ name, far: farness(wanted, folded(name)) }));
  return ranked.filter(({ far }) => far < Infinity).sort((a, b) => a.far - b.far).slice(0, most).map(({ name }) => name);
}
