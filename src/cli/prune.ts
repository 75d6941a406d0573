import type { Graph } from '../graph/graph.ts';
import { count, percent, several } from '../measure/words.ts';
import { UsageError, type Command } from './command.ts';
import { expectFolders, write } from './files.ts';
import { loadModel, modelChoices, modelOptions } from './model.ts';
import { prunedBy, pruningChoices, pruningFrom, pruningOptions, weightsOf } from './pruning.ts';

/** `12.3 k of 45.6 k weights in 7 layers are left (27 %)` */
function summaryOf(graph: Graph): string {
  const { layers, kept, all } = weightsOf(graph);
  return `${count(kept)} of ${count(all)} weights in ${several(layers, 'layer')} are left (${percent(all ? kept / all : 1)})`;
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    ...pruningOptions,
    ...modelOptions,
    output: { type: 'string', short: 'o', value: 'FILE', about: 'the ONNX file to write' },
    'sparse-initializers': { type: 'boolean', about: 'store only the kept weights where that is smaller' },
  },
  examples: [
    ['burin prune model.onnx --sparsity 0.9 -o pruned.onnx', 'drop nine weights of ten in every layer'],
    ['burin prune model.tflite --scope 2:4 -o pruned.onnx --sparse-initializers', 'two kept of four, stored packed'],
  ],
  choices: async () => ({ ...(await modelChoices()), ...(await pruningChoices()) }),
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const { manner, sparsity } = await pruningFrom(args);
    const output = args.text('output');
    if (sparsity === undefined) throw new UsageError('needs --sparsity (or --scope N:M)');
    if (!output) throw new UsageError('needs -o FILE');
    await expectFolders([output]);
    const { graph } = await loadModel(spec, manner.seed);
    const { writeOnnx } = await import('../io/onnx/index.ts');
    const pruned = await prunedBy(graph, manner, { sparsity, io });
    const bytes = writeOnnx(pruned, { sparse: args.has('sparse-initializers') });
    await write(output, bytes);
    io.out(`${summaryOf(pruned)}\n${output}: ${count(bytes.length)}B\n`);
  },
};
