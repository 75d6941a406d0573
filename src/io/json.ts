import { fail, show } from '../expect.ts';

const QUOTE = 34, BACKSLASH = 92, OPEN = 123, CLOSE = 125, OPEN_LIST = 91, CLOSE_LIST = 93, COLON = 58;

/** Where the string that begins at `start` ends, past its quote or the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** Levels of objects and lists inside each other that we read: whoever walks what was read needs no fear for its stack. */
const MOST_DEEP = 128;

/** Whether a text, JSON or not, is too deep: said before it is parsed, which takes seconds for millions of levels. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPEN || code === OPEN_LIST) {
      if (++depth > MOST_DEEP) return true;
    } else if (code === CLOSE || code === CLOSE_LIST) depth--;
  }
  return false;
}

/** A key that an object of this valid JSON text has twice. */
function keyTwice(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      last = text.slice(at, end);
      at = end - 1;
    } else if (code === OPEN || code === OPEN_LIST) open.push(code === OPEN ? new Set() : null);
    else if (code === CLOSE || code === CLOSE_LIST) open.pop();
    else if (code === COLON) {
      const keys = open[open.length - 1]!, key = JSON.parse(last) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/**
 * What a JSON text says.
 * @throws BurinError `file` where it is not JSON, an object has a key twice (of which others see only one), or it is too deep
 */
export function parseJson(text: string, where: string): unknown {
  const needs = `every key once and at most ${MOST_DEEP} levels`;
  if (isTooDeep(text)) fail({ kind: 'file', where, needs, got: 'more levels' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail({ kind: 'file', where, needs: 'JSON', got: show(cause), cause });
  }
  const twice = keyTwice(text);
  if (twice !== undefined) fail({ kind: 'file', where, needs, got: `${show(twice)} twice` });
  return value;
}

/** An object that is no list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
