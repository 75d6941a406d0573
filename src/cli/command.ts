/** The outside world as a command sees it. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
  /** Whether somebody watches `err`, so that progress makes sense. */
  readonly live: boolean;
}

/** The caller's mistake on the command line: exit code 2 and a pointer to the help. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for its value in the help. */
  readonly value?: string;
  readonly about: string;
}

export type Options = Readonly<Record<string, Option>>;

/** What options choose from: keys, or keys with what each is. */
export type Choices = Readonly<Record<string, readonly string[] | Readonly<Record<string, string>>>>;

/** What the program returns to who called it. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, impossible: 3 } as const;

export interface Command {
  /** What follows the command's name, options apart. */
  readonly operands: string;
  readonly options: Options;
  /** Command lines with what they are for. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /** The keys that options choose from, for the help. */
  readonly choices: () => Promise<Choices>;
  /** @returns the exit code; nothing: 0 */
  readonly run: (args: Arguments, io: Io) => Promise<number | void>;
}

interface Bounds {
  readonly least?: number;
  readonly most?: number;
  readonly whole?: boolean;
}

type Value = string | boolean | (string | boolean)[] | undefined;

/** The parsed command line. Every reader throws a UsageError that names the option. */
export class Arguments {
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, Value>>;

  constructor(operands: readonly string[], values: Readonly<Record<string, Value>>) {
    this.operands = operands;
    this.#values = values;
  }

  /** The one operand. */
  only(what: string): string {
    if (this.operands.length !== 1) throw new UsageError(`needs one ${what}, got ${this.operands.length || 'none'}`);
    return this.operands[0];
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== false;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  texts(name: string): readonly string[] {
    return [this.#values[name] ?? []].flat().filter((value) => typeof value === 'string');
  }

  number(name: string, bounds: Bounds): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : numberFrom(text, name, bounds);
  }

  /** `a,b,c` */
  list(name: string): readonly string[] | undefined {
    return this.text(name)?.split(',').map((part) => part.trim()).filter((part) => part !== '');
  }

  numbers(name: string, bounds: Bounds): readonly number[] | undefined {
    const list = this.list(name);
    if (list?.length === 0) throw new UsageError(`--${name} needs numbers, got none`);
    return list?.map((text) => numberFrom(text, name, bounds));
  }

  /** A value that must be a key of a table. */
  choice(name: string, keys: readonly string[]): string | undefined {
    const text = this.text(name);
    if (text !== undefined && !keys.includes(text)) throw new UsageError(`--${name} needs one of ${keys.join(', ')}, got '${text}'`);
    return text;
  }

  /** Values that must be keys of a table: `csr,bsr`. */
  chosen(name: string, keys: readonly string[]): string[] | undefined {
    const list = this.list(name);
    const wrong = list?.find((key) => !keys.includes(key));
    if (wrong !== undefined || list?.length === 0) throw new UsageError(`--${name} needs some of ${keys.join(', ')}, got '${wrong ?? ''}'`);
    return list && [...list];
  }
}

/** A number on the command line. @throws UsageError that names the option */
export function numberFrom(text: string, name: string, { least = -Infinity, most = Infinity, whole = false }: Bounds): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const range = most < Infinity ? `from ${least} to ${most}` : `of ${least} or more`;
  throw new UsageError(`--${name} needs a ${whole ? 'whole ' : ''}number ${range}, got '${text}'`);
}

/** `name=1x3x48x192` as a name and a shape. */
export function shapesFrom(texts: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(texts.map((text) => {
    const [name, shape] = splitName(text, 'shape', 'NAME=1x3x224x224');
    const dims = shape.split('x').map((dim) => (/^\d+$/.test(dim) ? Number(dim) : NaN));
    if (dims.some(Number.isNaN)) throw new UsageError(`--shape needs NAME=1x3x224x224, got '${text}'`);
    return [name, dims];
  }));
}

/** Only inputs of the model have a shape to be given. */
export function checkNames(shapes: Readonly<Record<string, unknown>>, inputs: readonly { readonly name: string }[]): void {
  const names = inputs.map(({ name }) => name), stranger = Object.keys(shapes).find((name) => !names.includes(name));
  if (stranger !== undefined) throw new UsageError(`--shape needs one of ${names.join(', ')}, got '${stranger}'`);
}

/** Splits at the last `=`: names of values may hold one. */
export function splitName(text: string, option: string, form: string): [name: string, value: string] {
  const at = text.lastIndexOf('=');
  if (at < 1 || at === text.length - 1) throw new UsageError(`--${option} needs ${form}, got '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}
