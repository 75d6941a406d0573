// `npm run bench`: the bench named by the first argument, the kernels where none is named. The rest of the line is for that bench.
const benches = {
  kernels: () => import('./kernels.ts'),
  dense: () => import('./dense.ts'),
  windows: () => import('./windows.ts'),
  targets: () => import('./targets.ts'),
  models: () => import('./models.ts'),
  browser: () => import('./browser.ts'),
  sparse: () => import('./sparse.ts'),
  vectors: () => import('./vectors.ts'),
  threads: () => import('./threads.ts'),
  chooser: () => import('./chooser.ts'),
  pruning: () => import('./pruning.ts'),
  mnist: () => import('./mnist/index.ts'),
  budget: () => import('./budget.ts'),
  webgpu: () => import('./webgpu.ts'),
  tables: () => import('./tables.ts'),
} satisfies Record<string, () => Promise<unknown>>;

const named = process.argv[2]?.startsWith('-') ? undefined : process.argv[2];
// The bench reads its own options from the line.
if (named !== undefined) process.argv.splice(2, 1);

if (Object.hasOwn(benches, named ?? 'kernels')) await benches[(named ?? 'kernels') as keyof typeof benches]();
else {
  process.stderr.write(`needs one of ${Object.keys(benches).join(', ')}, got '${named}'\n`);
  process.exitCode = 2;
}
