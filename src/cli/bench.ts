import type { BenchCase } from '../measure/cases.ts';
import type { KernelBench } from '../measure/kernels.ts';
import { UsageError, type Arguments, type Command, type Io } from './command.ts';
import { expectFolders, write } from './files.ts';
import { progressOn } from './progress.ts';

interface Wanted {
  readonly cases: readonly BenchCase[];
  readonly samples?: number;
  readonly all: boolean;
  readonly simd?: 'plain' | 'relaxed';
}

async function wantedFrom(args: Arguments): Promise<Wanted> {
  if (args.operands.length) throw new UsageError(`takes no operand, got '${args.operands[0]}'`);
  const { cases: made, masks, matrixCases } = await import('../measure/cases.ts'), folder = args.text('data');
  const cases = folder ? [...made, ...matrixCases(await (await import('./matrices.ts')).loadMatrices(folder))] : made;
  const parts = args.texts('case'), kinds = args.chosen('mask', [...Object.keys(masks), 'own']);
  const zeros = args.numbers('sparsity', { least: 0, most: 1 });
  const chosen = cases.filter((one) => (!args.has('quick') || one.quick)
    && (!parts.length || parts.some((part) => one.name.includes(part)))
    && (!kinds || kinds.includes(one.mask)) && (!zeros || zeros.includes(one.sparsity)));
  if (!chosen.length) throw new UsageError(`no case of ${cases.length} fits; their names are like '${cases[0].name}'`);
  return {
    cases: chosen,
    samples: args.number('samples', { least: 1, most: 100_000, whole: true }),
    all: args.has('all'),
    simd: args.choice('simd', ['plain', 'relaxed']) as Wanted['simd'],
  };
}

async function bench({ cases, samples, all, simd }: Wanted, io: Io): Promise<KernelBench> {
  const { createWasm } = await import('../backends/wasm.ts');
  const { benchKernels } = await import('../measure/kernels.ts');
  const { benchPlace, efficiencyTable, kernelHead, kernelLine } = await import('../report/kernels.ts');
  const backend = await createWasm({ simd }), progress = progressOn(io);
  let parts = 0;
  const total = cases.length + new Set(cases.map(({ layer }) => layer)).size;
  try {
    const found = await benchKernels(cases, {
      backend, samples, all,
      onRows: (rows, place) => {
        progress.end();
        if (parts++ === 0) io.out(`${benchPlace(place)}\n\n${kernelHead}\n`);
        for (const row of rows) io.out(`${kernelLine(row)}\n`);
        progress.report({ stage: 'timing', done: parts, total });
      },
    });
    io.out(`\nGeometric means of efficiency, and of speedup over the fastest dense kernel\n\n${efficiencyTable(found.rows, io.width)}\n`);
    return found;
  } finally {
    progress.end();
    backend.dispose();
  }
}

export const command: Command = {
  operands: '',
  options: {
    quick: { type: 'boolean', about: 'a few cases of each kind, in half a minute; all take hours' },
    case: { type: 'string', value: 'TEXT', multiple: true, about: 'only cases whose name contains this; repeatable' },
    mask: { type: 'string', value: 'NAMES', about: 'only these masks' },
    sparsity: { type: 'string', value: '0.7,0.9', about: 'only these sparsities' },
    data: { type: 'string', value: 'FOLDER', about: 'the matrices below it too (.mtx, .smtx, *_weights.raw.gz), with the zeros they have' },
    all: { type: 'boolean', about: 'time every sparse kernel that can run a case, not only the fastest of each format' },
    samples: { type: 'string', value: 'N', about: 'timed turns of each kernel; 30 if absent' },
    simd: { type: 'string', value: 'NAME', about: 'plain or relaxed; the best this engine has if absent' },
    json: { type: 'string', value: 'FILE', about: 'write the rows as a list, each with its environment and the ceilings of the device' },
  },
  examples: [
    ['burin bench --quick', 'how near the kernels come to their promise here'],
    ['burin bench --case resnet50.layer1 --mask 4x1,unstructured --sparsity 0.9 --all', 'every kernel on a few cases'],
    ['burin bench --quick --simd plain --json plain.json', 'the same without relaxed SIMD'],
    ['burin bench --data matrices --mask own', 'the product of real matrices with one vector and with a batch'],
  ],
  choices: async () => {
    const { layers, masks, sparsities } = await import('../measure/cases.ts');
    const networks = [...new Set(layers.map(({ network }) => `${network}.…`))];
    return { mask: [...Object.keys(masks), 'own'], sparsity: sparsities.map(String), case: networks };
  },
  run: async (args, io) => {
    const wanted = await wantedFrom(args), path = args.text('json');
    await expectFolders([path]);
    const { environment, ceiling, rows } = await bench(wanted, io);
    if (path) await write(path, `${JSON.stringify(rows.map((row) => ({ ...row, environment, ceiling })), null, 2)}\n`);
  },
};
