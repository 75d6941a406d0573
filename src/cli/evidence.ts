import { BurinError, fail } from '../expect.ts';
import type { Graph, ValueInfo } from '../graph/graph.ts';
import type { Evidence, EvidenceName } from '../prune/index.ts';
import { Tensor } from '../tensor.ts';
import { readArrays } from './arrays.ts';
import { UsageError, type Arguments, type Options } from './command.ts';
import { inFile } from './files.ts';

/** What criteria need besides the weights. */
export const evidenceOptions = {
  evidence: { type: 'string', value: 'FILE', about: 'what the criterion needs: .npz or .safetensors of LAYER.gradient, LAYER.initial, …' },
  calibration: { type: 'string', value: 'FILE', about: 'sample inputs (.npz by input name, or .npy): gathers what wanda, ria, obs need' },
} satisfies Options;

type Arrays = ReadonlyMap<string, Tensor>;

/** `fc1.gradient` is the gradient of fc1. */
async function fileEvidence(path: string): Promise<Evidence> {
  const { evidences } = await import('../prune/index.ts'), found: Record<string, Partial<Record<EvidenceName, Tensor>>> = {};
  for (const [name, tensor] of await readArrays(path)) {
    const dot = name.lastIndexOf('.'), kind = name.slice(dot + 1);
    if (dot < 1 || !Object.hasOwn(evidences, kind)) {
      const needs = `arrays named LAYER.KIND, KIND one of ${Object.keys(evidences).join(', ')}`;
      return fail({ kind: 'file', where: path, needs, got: `'${name}'` });
    }
    (found[name.slice(0, dot)] ??= {})[kind as EvidenceName] = tensor;
  }
  return found;
}

/** The place and the remedy of an error about evidence that is not there. */
const missing = /^evidence of (.+) \[[\d, ]*\], (\w+)$/;

/** Runs what asks a criterion; where it needs evidence that is not there, the error says how to give it on the command line. */
export async function sayingWhere<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const [, layer, kind] = (error instanceof BurinError && error.remedy.startsWith('give evidence') && missing.exec(error.where)) || [];
    if (!(error instanceof BurinError) || layer === undefined) throw error;
    const { gatherings } = await import('../measure/activations.ts');
    const gathered = Object.hasOwn(gatherings, kind) ? '--calibration FILE with sample inputs, or ' : '';
    const remedy = `give ${gathered}--evidence FILE (.npz, .safetensors) with an array named ${layer}.${kind}`;
    return fail({ kind: error.kind, where: error.where, needs: error.needs, got: error.got, remedy, cause: error });
  }
}

/** The array of an input; a `.npy` is that of a lone one. */
function arrayOf({ name }: ValueInfo, arrays: Arrays, inputs: number): Tensor {
  return arrays.get(name) ?? (inputs === 1 ? arrays.get('') : undefined)
    ?? fail({ kind: 'file', where: 'calibration', needs: `an array '${name}'`, got: [...arrays.keys()].join(', ') });
}

/** Cuts arrays [samples · batch, …] along their first axis. */
function* samplesOf({ inputs }: Graph, arrays: Arrays): Generator<Record<string, Tensor>> {
  const given = inputs.map((input) => ({ input, array: arrayOf(input, arrays, inputs.length) }));
  const batches = given.map(({ input, array }) => {
    const batch = typeof input.dims[0] === 'number' ? input.dims[0] : 1, count = (array.dims[0] ?? 1) / batch;
    return Number.isInteger(count) && count > 0 ? { batch, count } : fail({
      kind: 'shape', where: `calibration '${input.name}' [${array.dims.join(', ')}]`, needs: `a multiple of ${batch} along the first axis`,
      got: String(array.dims[0]),
    });
  });
  const count = Math.min(...batches.map((one) => one.count));
  for (let i = 0; i < count; i++) {
    yield Object.fromEntries(given.map(({ input, array: { type, data, dims } }, n) => {
      const { batch } = batches[n], size = (data.length / dims[0]) * batch;
      return [input.name, new Tensor(type, data.slice(i * size, (i + 1) * size) as typeof data, [batch, ...dims.slice(1)])];
    }));
  }
}

/** What the command line gives a criterion besides the weights: from a file, or gathered from samples. */
export async function evidenceFrom(args: Arguments, graph: Graph, criterion: string): Promise<Evidence | undefined> {
  const [file, samples] = [args.text('evidence'), args.text('calibration')];
  if (file && samples) throw new UsageError('only one of --evidence and --calibration can be given');
  if (file) return fileEvidence(file);
  if (!samples) return undefined;
  const [{ criteria }, { gatherEvidence, gatherings }] = await Promise.all([
    import('../prune/index.ts'), import('../measure/activations.ts'),
  ]);
  const needs = (criteria[criterion as keyof typeof criteria] as { needs?: readonly EvidenceName[] }).needs ?? [];
  const what = needs.filter((name) => Object.hasOwn(gatherings, name)) as (keyof typeof gatherings)[];
  const kinds = Object.keys(gatherings).join(' or ');
  if (!what.length) throw new UsageError(`--calibration is for criteria that need ${kinds}, got '${criterion}'`);
  const arrays = await readArrays(samples), layers = args.list('layers'), exclude = args.list('exclude');
  return gatherEvidence(graph, inFile(samples, () => samplesOf(graph, arrays)), { what, layers, exclude });
}
