import type { Backend } from '../backends/index.ts';
import type { Graph } from '../graph/graph.ts';
import { choicesFor } from '../runtime/choices.ts';
import { environment } from '../runtime/environment.ts';
import { formatName } from '../runtime/lower/weight.ts';
import type { Tensor } from '../tensor.ts';
import { isWanted, type Bed, type BenchDevice, type Entrant, type Timing } from './bed.ts';
import { calibrate, ceilingOf } from './calibrate.ts';
import { Site } from './site.ts';
import { timeTogether, type Task } from './time.ts';

/** Times tasks against each other. */
export type Timer = (tasks: Readonly<Record<string, Task>>) => Promise<Readonly<Record<string, Timing>>>;

const CEILING = 'ceiling';
const SHORT = { samples: 5, minMs: 1, warmUpMs: 300 };

function bedOf(backend: Backend, graph: Graph, x: Tensor): Bed<Entrant> {
  const site = new Site(backend, graph), matrix = site.weight.matrix();
  return {
    matrix,
    async entrants(dense, wanted) {
      const formats = dense ? { formats: ['dense'] } : {};
      return choicesFor(backend.kernels, matrix, site.columns, formats)
        .filter((choice) => (dense ? choice.format === 'dense' : choice.format !== 'dense' && isWanted(wanted, formatName(choice))))
        .map((choice): Entrant => {
          const program = site.program(choice);
          return { format: formatName(choice), kernel: choice.kernel.name, run: () => program.run() };
        });
    },
    reset() {
      site.values('x').set(x.data as Float32Array);
      site.values('y').fill(NaN);
    },
    output: () => site.values('y'),
    dispose: () => site.dispose(),
  };
}

/**
 * Kernels on WebAssembly, whose dense ones are timed beside the ceiling of the device.
 * @param timer in place of `timeTogether`
 * @throws BurinError `device` on a backend without kernels
 */
export async function wasmBench(backend: Backend, samples: number | undefined, timer?: Timer): Promise<BenchDevice> {
  const careful: Timer = timer ?? ((tasks) => timeTogether(tasks, { samples })), short: Timer = (tasks) => timeTogether(tasks, SHORT);
  return {
    environment: { ...environment(backend), provider: backend.name }, ceiling: await calibrate(backend),
    bed: (graph, x) => bedOf(backend, graph, x),
    async time(entrants, race) {
      const tasks = Object.fromEntries(Object.entries(entrants).map(([name, { run }]) => [name, run]));
      if (race !== 'dense') return { of: await (race === 'short' ? short : careful)(tasks) };
      const ceiling = ceilingOf(backend);
      try {
        const { [CEILING]: top, ...of } = await careful({ ...tasks, [CEILING]: ceiling.run });
        return { of, peak: ceiling.gflops(top.medianMs) };
      } finally {
        ceiling.dispose();
      }
    },
  };
}
