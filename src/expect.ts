/** What went wrong, as a word a program can branch on. */
export type ErrorKind =
  | 'argument' // a value passed by the caller
  | 'shape' // dimensions that do not fit
  | 'dtype' // element types that do not fit
  | 'file' // bytes that are not what they claim to be
  | 'model' // a graph that cannot be run as it stands
  | 'unsupported' // something valid that Burin does not do
  | 'limit' // too large for this device or for the set bounds
  | 'state' // a resource used after its end
  | 'device'; // the machine below us failed

export interface Problem {
  /** Which kind of trouble; also on the error, for programs. */
  readonly kind: ErrorKind;
  /** The place: `conv1.weight [64, 3, 7, 7]`, `file.onnx byte 1024`, `node 'Conv_3' (Conv, opset 11)`. */
  readonly where: string;
  /** What was needed. */
  readonly needs: string;
  /** What was there instead. */
  readonly got: string;
  /** What the reader can do about it. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** Every error Burin throws on purpose. `message` is `where: needs …, got …; remedy`. */
export class BurinError extends Error {
  readonly kind: ErrorKind;
  readonly where: string;
  readonly needs: string;
  readonly got: string;
  readonly remedy: string;

  constructor(problem: Problem) {
    const remedy = problem.remedy ?? '';
    super(`${problem.where}: needs ${problem.needs}, got ${problem.got}${remedy && `; ${remedy}`}`, { cause: problem.cause });
    this.name = 'BurinError';
    this.kind = problem.kind;
    this.where = problem.where;
    this.needs = problem.needs;
    this.got = problem.got;
    this.remedy = remedy;
  }
}

/** Throws a {@link BurinError}. */
export function fail(problem: Problem): never {
  throw new BurinError(problem);
}

/** Throws a {@link BurinError} unless `condition` holds. */
export function expect(condition: unknown, problem: Problem): asserts condition {
  if (!condition) fail(problem);
}

/** Elements of a list that an error message shows. */
const MOST_SHOWN = 12;

/** As `String`, also of objects without a `toString` that is a function. */
function plain(value: unknown): string {
  const named = Object(value) !== value || typeof (value as { toString?: unknown }).toString === 'function';
  return named ? String(value) : '[object]';
}

/** A value, shortened for an error message. */
export function show(value: unknown): string {
  if (value instanceof Error) return value.message;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  const list = (all: readonly unknown[]): string => `[${all.slice(0, MOST_SHOWN).join(', ')}${all.length > MOST_SHOWN ? ', …' : ''}]`;
  const text = typeof value === 'string' ? `'${value}'` : Array.isArray(value) ? list(value) : plain(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** @throws BurinError `argument` for options that are no object */
export function expectOptions(options: unknown, where: string): void {
  const fits = typeof options === 'object' && options !== null && !Array.isArray(options);
  expect(fits, { kind: 'argument', where, needs: 'an object, or nothing', got: show(options) });
}

/** The row of `table` called `key`, or an error that lists the keys. */
export function lookUp<T>(table: Readonly<Record<string, T>>, key: string, where: string): T {
  if (Object.hasOwn(table, key)) return table[key];
  return fail({ kind: 'argument', where, needs: `one of ${Object.keys(table).join(', ')}`, got: show(key) });
}
