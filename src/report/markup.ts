const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that may stand in an element or a quoted attribute. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => entities[letter]);
}

/** Finished markup, as against text that has yet to be escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) { this.text = text; }
}

export type Child = Markup | string | readonly Child[] | undefined;
export type Attributes = Readonly<Record<string, string | number | undefined>>;

function inner(child: Child): string {
  if (child === undefined) return '';
  if (typeof child === 'string') return escape(child);
  return child instanceof Markup ? child.text : child.map(inner).join('');
}

/** Numbers lose what no screen shows. */
const value = (attribute: string | number): string =>
  escape(typeof attribute === 'number' ? `${Math.round(attribute * 100) / 100}` : attribute);

/** Elements that never hold anything, and how their tags end. */
const childless: Readonly<Record<string, string>> = { meta: '>', line: '/>', rect: '/>', path: '/>' };

/** An element of HTML or SVG. Strings are escaped; attributes that are undefined are left out. */
export function el(tag: string, attributes: Attributes = {}, ...children: Child[]): Markup {
  const set = Object.entries(attributes).flatMap(([name, v]) => (v === undefined ? [] : ` ${name}="${value(v)}"`)).join('');
  if (Object.hasOwn(childless, tag)) return new Markup(`<${tag}${set}${childless[tag]}`);
  return new Markup(`<${tag}${set}>${children.map(inner).join('')}</${tag}>`);
}
