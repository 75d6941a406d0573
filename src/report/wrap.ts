/** Columns a text takes on a terminal; every character written here is one column wide. */
export const widthOf = (text: string): number => [...text].length;

/** Breaks a paragraph at spaces. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line && widthOf(line) + 1 + widthOf(word) > width) lines.push(indent + word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join('\n');
}
