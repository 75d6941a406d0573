import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { BurinError, fail } from '../expect.ts';
import { wrap } from '../report/wrap.ts';
import { Arguments, UsageError, exitCodes, type Command, type Io, type Options } from './command.ts';

interface Entry {
  readonly about: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** A command is loaded when it is called: `burin --help` reads nothing heavy. */
const commands = {
  report: { about: 'what the zeros of a model are worth on this device', load: () => import('./report.ts') },
  inspect: { about: 'layers, parameters, multiply-adds and zeros', load: () => import('./inspect.ts') },
  run: { about: 'run a model once', load: () => import('./run.ts') },
  prune: { about: 'prune a model and write it as ONNX', load: () => import('./prune.ts') },
  bench: { about: 'how near dense and sparse kernels come to what this device can do', load: () => import('./bench.ts') },
} satisfies Record<string, Entry>;

const common = {
  help: { type: 'boolean', short: 'h', about: 'this text' },
  debug: { type: 'boolean', about: 'show where in the program an error arose' },
} as const;

/** Two columns: terms, and what they mean, wrapped at the width of the terminal. */
function terms(rows: readonly (readonly [string, string])[], width: number): string {
  const indent = Math.max(...rows.map(([term]) => term.length)) + 4;
  return rows.map(([term, meaning]) => {
    const lines = wrap(meaning, Math.max(24, width - indent)).split('\n');
    return `${`  ${term}`.padEnd(indent)}${lines.join(`\n${' '.repeat(indent)}`)}`;
  }).join('\n');
}

function generalHelp({ width }: Io): string {
  return `Usage: burin COMMAND MODEL [options]

${terms(Object.entries(commands).map(([name, { about }]) => [name, about]), width)}

burin COMMAND --help tells more, burin --version which this is.

${terms([
    ['exit 0', 'done; layers that cannot be pruned as asked are left as they were and named, unless --strict'],
    ['exit 1', 'it failed: a file that cannot be read, a network that cannot be run, a layer refused under --strict'],
    ['exit 2', 'it was called wrongly: an unknown command, option, name or value, or a shape for no input'],
    ['exit 3', 'a budget is impossible: no pruning is as fast as --speedup or --budget-ms ask for; the fastest was written'],
  ], width)}
`;
}

async function commandHelp(name: string, command: Command, { width }: Io): Promise<string> {
  const all: Options = { ...command.options, ...common };
  const options = Object.entries(all).map(([key, { short, value, about }]) =>
    [`${short ? `-${short}, ` : ''}--${key}${value ? ` ${value}` : ''}`, about] as const);
  const choices = Object.entries(await command.choices());
  const plain = choices.flatMap(([key, keys]) => (Array.isArray(keys) ? [[key, keys.join(', ')] as const] : []));
  const tables = choices.flatMap(([key, keys]) => (Array.isArray(keys) ? [] : [`${key}\n${terms(Object.entries(keys), width)}\n\n`]));
  return `Usage: ${['burin', name, command.operands, '[options]'].filter(Boolean).join(' ')}

${commands[name as keyof typeof commands].about}

Options
${terms(options, width)}

Choices
${terms(plain, width)}

${tables.join('')}Examples
${command.examples.map(([line, why]) => `  # ${why}\n  ${line}`).join('\n')}
`;
}

function parse(argv: readonly string[], command: Command): Arguments {
  try {
    const all: Options = { ...command.options, ...common };
    const options = Object.fromEntries(Object.entries(all)
      .map(([name, { type, multiple = false, short }]) => [name, { type, multiple, ...(short && { short }) }]));
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    return new Arguments(positionals, values);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** Where package.json lies: beside `src`, or one folder further up from what was built. */
const packages = ['../../package.json', '../../../package.json'];

async function version(): Promise<string> {
  for (const path of packages) {
    const text = await readFile(new URL(path, import.meta.url), 'utf8').catch(() => undefined);
    const found = text && JSON.parse(text) as { name?: string; version: string };
    if (found && found.name === 'burin') return found.version;
  }
  return fail({ kind: 'file', where: 'package.json', needs: 'to lie beside the program', got: 'nothing' });
}

async function dispatch(argv: readonly string[], io: Io): Promise<number | void> {
  const [name, ...rest] = argv;
  if (name === '--version') return io.out(`${await version()}\n`);
  if (name === '--help' || name === '-h') return io.out(generalHelp(io));
  if (name === undefined || !Object.hasOwn(commands, name)) {
    throw new UsageError(`needs a command, one of ${Object.keys(commands).join(', ')}${name === undefined ? '' : `, got '${name}'`}`);
  }
  const { load } = commands[name as keyof typeof commands];
  const { command } = await load();
  const args = parse(rest, command);
  if (args.has('help')) return io.out(await commandHelp(name, command, io));
  return command.run(args, io);
}

/** A wrong argument is the caller's to mend, like a wrong option. */
const isUsage = (error: unknown): boolean => error instanceof UsageError || (error instanceof BurinError && error.kind === 'argument');

function hintFor(argv: readonly string[]): string {
  const name = Object.hasOwn(commands, argv[0] ?? '') ? `${argv[0]} ` : '';
  return `Try: burin ${name}--help\n`;
}

/** Runs a command line. @returns the exit code: 0, 1 where it failed, 2 where it was called wrongly, 3 where a budget is impossible */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io) ?? exitCodes.ok;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const stack = argv.includes('--debug') && error instanceof Error ? `${error.stack}\n` : '';
    io.err(`burin: ${text}\n${stack}${isUsage(error) ? hintFor(argv) : ''}`);
    return isUsage(error) ? exitCodes.usage : exitCodes.failure;
  }
}
