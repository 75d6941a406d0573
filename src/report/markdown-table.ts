/** Text that may stand in a cell. */
export const escape = (text: string): string => text.replace(/[\\|*_`<>[\]]/g, '\\$&').replace(/\s+/g, ' ');

/** A table with heads; `right` says which columns are flush right. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[], right: (column: number) => boolean): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(' | ')} |`;
  return [line(heads), `|${heads.map((_, i) => (right(i) ? '---:' : '---')).join('|')}|`, ...rows.map(line)].join('\n');
}
