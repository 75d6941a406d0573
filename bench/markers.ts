import { fail } from '../src/expect.ts';

const block = /(<!-- table: ([\w-]+) -->\n)[^]*?(<!-- \/table -->)/g;

/**
 * A text with what lies between each `<!-- table: NAME -->` and `<!-- /table -->` replaced by the table of that name.
 * @throws BurinError `argument` for a name without a table
 */
export function fillTables(text: string, tables: Readonly<Record<string, () => string>>): string {
  return text.replace(block, (_, open: string, name: string, close: string) => {
    const table = Object.hasOwn(tables, name) ? tables[name]() : fail({
      kind: 'argument', where: `<!-- table: ${name} -->`, needs: `one of ${Object.keys(tables).join(', ')}`, got: `'${name}'`,
    });
    return `${open}${table}\n${close}`;
  });
}

/** Names of the tables a text has room for. */
export function tablesIn(text: string): string[] {
  return [...text.matchAll(block)].map((match) => match[2]);
}

export interface Heading {
  readonly head: string;
  /** Numbers stand on the right. */
  readonly right?: boolean;
}

/** A Markdown table. */
export function markdownTable(heads: readonly Heading[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads.map(({ head }) => head)), line(heads.map(({ right }) => (right ? '--:' : '---'))), ...rows.map(line)].join('\n');
}
