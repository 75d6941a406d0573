import type { BenchCase } from '../measure/cases.ts';
import type { KernelTiming, KernelTimings } from '../measure/kernels.ts';
import { UsageError, type Arguments, type Command, type Io } from './command.ts';
import { expectFolders, write } from './files.ts';
import { progressOn } from './progress.ts';
import { wrap } from '../report/wrap.ts';

interface Wanted {
  readonly cases: readonly BenchCase[];
  readonly samples?: number;
  readonly all: boolean;
  readonly formats?: readonly string[];
  readonly simd?: 'plain' | 'relaxed';
  readonly provider: 'wasm' | 'webgpu';
}

/** What has kernels to time. */
const providers = ['wasm', 'webgpu'] as const;

/** `csr,bsr 4x1`: a format, or one with its block. */
function formatsFrom(args: Arguments): readonly string[] | undefined {
  const list = args.list('format'), wrong = list?.find((name) => !/^(csr|bsr( \d+x\d+)?|nm( \d+:\d+)?)$/.test(name));
  if (wrong === undefined && list?.length !== 0) return list;
  throw new UsageError(`--format needs some of csr, bsr, bsr 4x1, nm, nm 2:4, got '${wrong ?? ''}'`);
}

async function wantedFrom(args: Arguments): Promise<Wanted> {
  if (args.operands.length) throw new UsageError(`takes no operand, got '${args.operands[0]}'`);
  const { cases: made, masks, matrixCases } = await import('../measure/cases.ts'), folder = args.text('data');
  const cases = folder ? [...made, ...matrixCases(await (await import('./matrices.ts')).loadMatrices(folder))] : made;
  const parts = args.texts('case'), kinds = args.chosen('mask', [...Object.keys(masks), 'own']);
  const zeros = args.numbers('sparsity', { least: 0, most: 1 });
  const provider = (args.choice('provider', providers) ?? 'wasm') as Wanted['provider'];
  if (provider === 'webgpu' && args.has('simd')) throw new UsageError('--simd is of WebAssembly; leave it out with --provider webgpu');
  const isQuick = ({ quick, gpuQuick }: BenchCase): boolean => (provider === 'webgpu' ? gpuQuick === true : quick);
  const chosen = cases.filter((one) => (!args.has('quick') || isQuick(one))
    && (!parts.length || parts.some((part) => one.name.includes(part)))
    && (!kinds || kinds.includes(one.mask)) && (!zeros || zeros.includes(one.sparsity)));
  if (!chosen.length) throw new UsageError(`no case of ${cases.length} fits; their names are like '${cases[0].name}'`);
  return {
    cases: chosen, provider,
    samples: args.number('samples', { least: 1, most: 100_000, whole: true }),
    all: args.has('all'), formats: formatsFrom(args),
    simd: args.choice('simd', ['plain', 'relaxed']) as Wanted['simd'],
  };
}

type Told = Omit<KernelTimings, 'rows'>;

/** Times what is wanted on its device, which is given back at the end. */
async function timed({ cases, simd, provider, ...options }: Wanted, onRows: (rows: readonly KernelTiming[], told: Told) => void) {
  const { benchKernels, benchShaders } = await import('../measure/kernels.ts');
  if (provider === 'webgpu') {
    const gpu = await (await import('../backends/webgpu/gpu.ts')).openGpu();
    return benchShaders(cases, { gpu, ...options, onRows }).finally(() => gpu.dispose());
  }
  const backend = await (await import('../backends/wasm.ts')).createWasm({ simd });
  return benchKernels(cases, { backend, ...options, onRows }).finally(() => backend.dispose());
}

async function bench(wanted: Wanted, io: Io): Promise<KernelTimings> {
  const { benchPlace, curvesOf, efficiencyTable, kernelLines, winners } = await import('../report/kernels.ts');
  const { cases } = wanted, progress = progressOn(io), total = cases.length + new Set(cases.map(({ layer }) => layer)).size;
  let parts = 0;
  try {
    const found: KernelTimings = await timed(wanted, (rows, told) => {
      const lines = kernelLines(told);
      progress.end();
      if (parts++ === 0) io.out(`${benchPlace(told)}\n\n${lines.head}\n`);
      for (const row of rows) io.out(`${lines.row(row)}\n`);
      progress.report({ stage: 'timing', done: parts, total });
    });
    io.out(`\nGeometric means of efficiency, and of speedup over the fastest dense kernel\n\n${efficiencyTable(found.rows, io.width)}\n`);
    for (const sentence of winners(curvesOf(found.rows))) io.out(`${wrap(sentence, io.width)}\n`);
    return found;
  } finally {
    progress.end();
  }
}

export const command: Command = {
  operands: '',
  options: {
    quick: { type: 'boolean', about: 'a few cases of each kind, in half a minute; all take hours' },
    case: { type: 'string', value: 'TEXT', multiple: true, about: 'only cases whose name contains this; repeatable' },
    mask: { type: 'string', value: 'NAMES', about: 'only these masks' },
    sparsity: { type: 'string', value: '0.7,0.9', about: 'only these sparsities' },
    format: { type: 'string', value: 'NAMES', about: 'only these sparse formats: csr, bsr, nm, or with a block: bsr 4x1' },
    data: { type: 'string', value: 'FOLDER', about: 'the matrices below it too (.mtx, .smtx, *_weights.raw.gz), with the zeros they have' },
    all: { type: 'boolean', about: 'time every sparse kernel that can run a case, not only the fastest of each format' },
    samples: { type: 'string', value: 'N', about: 'timed turns of each kernel; 30 if absent' },
    simd: { type: 'string', value: 'NAME', about: 'plain or relaxed; the best this engine has if absent' },
    provider: { type: 'string', value: 'NAME', about: 'wasm or webgpu: whose kernels are timed; wasm if absent' },
    html: { type: 'string', value: 'FILE', about: 'write a page with a plot: promised against measured speedup, pattern by pattern' },
    json: { type: 'string', value: 'FILE', about: 'write the rows as a list, each with its environment and the ceilings of the device' },
  },
  examples: [
    ['burin bench --quick', 'how near the kernels come to their promise here'],
    ['burin bench --case resnet50.layer1 --mask 4x1,unstructured --sparsity 0.9 --all', 'every kernel on a few cases'],
    ['burin bench --quick --simd plain --json plain.json', 'the same without relaxed SIMD'],
    ['burin bench --quick --provider webgpu --html patterns.html', 'shaders on the GPU against its best dense one, as a page'],
    ['burin bench --data matrices --mask own', 'the product of real matrices with one vector and with a batch'],
  ],
  choices: async () => {
    const { layers, masks, sparsities } = await import('../measure/cases.ts');
    const networks = [...new Set(layers.map(({ network }) => `${network}.…`))];
    return { provider: providers, mask: [...Object.keys(masks), 'own'], sparsity: sparsities.map(String), case: networks };
  },
  run: async (args, io) => {
    const wanted = await wantedFrom(args), path = args.text('json'), page = args.text('html');
    await expectFolders([path, page]);
    const found = await bench(wanted, io), { environment, ceiling, rows } = found;
    if (path) await write(path, `${JSON.stringify(rows.map((row) => ({ ...row, environment, ceiling })), null, 2)}\n`);
    if (page) await write(page, (await import('../report/patterns.ts')).kernelsPage(found));
  },
};
