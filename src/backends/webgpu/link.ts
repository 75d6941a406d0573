import { texts, variants } from './shaders.ts';

/** Sizes of what lies in workgroup memory; a loop over it stays a loop. */
const LOOPED = new Set(['DEPTH']);

/**
 * A variant's text. Loops over the registers of an invocation are written out: not every driver does that by itself, and an
 * array whose index it does not know lies in memory (SwiftShader: a factor of 10).
 */
export function link(name: string): string {
  const { front, parts, sizes } = variants[name];
  return [front, ...parts.map((part) => unroll(texts[part], sizes))].join('\n');
}

/** Writes out every `for (var i = 0u; i < SIZE; i++) { … }` over one of the sizes, from the outside in. */
export function unroll(code: string, sizes: Readonly<Record<string, number>>): string {
  const head = /for \(var (\w+) = 0u; \1 < ([A-Z_]+); \1\+\+\) \{/g;
  for (let found = head.exec(code); found; found = head.exec(code)) {
    const [line, index, size] = found, start = found.index + line.length;
    if (!(size in sizes) || LOOPED.has(size)) continue;
    const end = blockEnd(code, start), body = code.slice(start, end), own = new RegExp(`\\b${index}\\b`, 'g');
    const copies = Array.from({ length: sizes[size] }, (_, i) => `{${body.replace(own, `${i}u`)}}`);
    // What was written out may hold loops of its own.
    head.lastIndex = found.index;
    code = code.slice(0, found.index) + copies.join('\n') + code.slice(end + 1);
  }
  return code;
}

/** Where the block that begins before `at` ends. */
function blockEnd(code: string, at: number): number {
  for (let depth = 1; at < code.length; at++) {
    if (code[at] === '{') depth++;
    else if (code[at] === '}' && --depth === 0) return at;
  }
  return at;
}
