import type { TuneMode } from '../runtime/tune.ts';
import { UsageError, type Arguments, type Options } from './command.ts';

/** On what device a command works. */
export const providerOptions = {
  provider: { type: 'string', value: 'NAMES', about: 'wasm, webgpu or auto (the faster); of several the first that works; wasm if absent' },
} satisfies Options;

/** Where and with what a network runs; the same for every command that runs one. */
export const engineOptions = {
  ...providerOptions,
  format: { type: 'string', value: 'NAMES', about: 'formats the plan may choose from; all if absent' },
  threads: { type: 'string', value: 'N', about: 'threads that share the work, or auto for one a core; 1 if absent' },
  tune: { type: 'string', value: 'NAME', about: 'how kernels are chosen: measure (the default) or predict' },
  shape: { type: 'string', value: 'NAME=1x3x48x192', multiple: true, about: 'shape of an input whose file leaves it open; repeatable' },
} satisfies Options;

export interface Engine {
  readonly executionProviders?: string[];
  readonly formats?: string[];
  readonly threads?: number | 'auto';
  readonly tune?: TuneMode;
}

/** The engine the command line asks for. Loads the tables it checks against, so call it when they are needed anyway. */
export async function engineFrom(args: Arguments): Promise<Engine> {
  const { provider, format, tune } = await engineChoices();
  const executionProviders = args.chosen('provider', provider), formats = args.chosen('format', format);
  if (executionProviders?.every((name) => name === 'reference') && formats?.some((name) => name !== 'dense')) {
    throw new UsageError(`--format ${formats.join(',')} needs a provider with kernels, got --provider reference, which has none`);
  }
  return {
    executionProviders,
    formats,
    threads: args.text('threads') === 'auto' ? 'auto' : args.number('threads', { least: 1, most: 64, whole: true }),
    tune: args.choice('tune', tune) as TuneMode | undefined,
  };
}

export async function engineChoices(): Promise<Record<'provider' | 'format' | 'tune', readonly string[]>> {
  const { engines } = await import('../runtime/engine.ts');
  const { formats } = await import('../formats/index.ts');
  const { tuneModes } = await import('../runtime/tune.ts');
  return { provider: Object.keys(engines), format: Object.keys(formats), tune: tuneModes };
}
