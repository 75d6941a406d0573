import { el, Markup, type Child } from './markup.ts';
import { style } from './style.ts';

// What pages are put together from.

export const card = (title: string, ...children: Child[]): Markup => el('section', { class: 'card' }, el('h3', {}, title), ...children);
export const pair = (...cards: Markup[]): Markup => el('div', { class: 'pair' }, cards);
/** A number and its unit stay on one line. */
export const tied = (text: string): string => text.replace(/(\d) (?=(ms|%|[kMG])\b|%)/g, '$1\u00a0');
export const soft = (text: string): Markup => el('p', { class: 'soft' }, tied(text));

/** Coloured marks with what they stand for: class and words. */
export function legend(...entries: readonly (readonly [string, string])[]): Markup {
  const mark = (name: string): Markup =>
    el('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, el('rect', { class: name, width: 12, height: 12, rx: 3 }));
  return el('ul', { class: 'legend' }, entries.map(([name, text]) => el('li', {}, mark(name), text)));
}

export interface Cell {
  readonly text: string;
  readonly name?: string;
}

export function table(heads: readonly Cell[], rows: readonly (readonly Cell[])[]): Markup {
  const cells = (tag: string, list: readonly Cell[]): Markup[] => list.map(({ text, name }) => el(tag, { class: name }, text));
  return el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, cells('th', heads))),
    el('tbody', {}, rows.map((row) => el('tr', {}, cells('td', row))))));
}

export const right = (text: string): Cell => ({ text, name: 'right' });

/** One self-contained page: no script, nothing loaded from elsewhere. `title` is its heading; `about` what it is of, for the window. */
export function pageOf({ title, about }: { title: string; about: string }, ...children: Child[]): string {
  const page = el('html', { lang: 'en' },
    el('head', {}, el('meta', { charset: 'utf-8' }), el('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      el('meta', { name: 'generator', content: 'burin' }), el('title', {}, `${title}: ${about}`), el('style', {}, new Markup(style))),
    el('body', {}, el('main', {}, el('h1', {}, title), ...children)));
  return `<!doctype html>\n${page.text}\n`;
}
