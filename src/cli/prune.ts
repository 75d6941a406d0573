import type { Graph } from '../graph/graph.ts';
import { count, percent, several } from '../measure/words.ts';
import { budgetFrom, budgetOptions, budgetedBy } from './budget.ts';
import { UsageError, exitCodes, type Arguments, type Command, type Io } from './command.ts';
import { engineChoices } from './engine.ts';
import { expectFolders, makeFolder, write } from './files.ts';
import { checkMaskPath, maskFilesOf } from './masks.ts';
import { loadModel, modelChoices, modelOptions } from './model.ts';
import { removeOptions, removedFrom } from './remove.ts';
import { isAsked, prunedBy, pruningChoices, pruningFrom, pruningOptions, weightsOf, type PrunedModel } from './pruning.ts';

/** `12.3 k of 45.6 k weights in 7 layers are left (27 %)` */
function summaryOf(graph: Graph): string {
  const { layers, kept, all } = weightsOf(graph);
  return `${count(kept)} of ${count(all)} weights in ${several(layers, 'layer')} are left (${percent(all ? kept / all : 1)})`;
}

async function asItCame(graph: Graph): Promise<PrunedModel> {
  const { masksOf } = await import('../prune/index.ts');
  return { graph, masks: masksOf(graph), how: {} };
}

/** To a budget, by masks, or by a criterion; checked before any model is read. */
async function wayOf(args: Arguments, io: Io): Promise<(graph: Graph) => Promise<PrunedModel>> {
  const budget = await budgetFrom(args);
  if (args.has('shape') && !budget && !args.has('remove')) throw new UsageError('--shape needs --remove, --speedup or --budget-ms');
  if (budget) return (graph) => budgetedBy(graph, budget, { args, io });
  const plan = await pruningFrom(args);
  // A network that was pruned elsewhere: its own zeros say what is dead.
  if (!isAsked(plan) && args.has('remove')) return asItCame;
  if (!isAsked(plan)) throw new UsageError('needs --sparsity (or --scope N:M, --mask FILE, --speedup N, --budget-ms MS, --remove)');
  return (graph) => prunedBy(graph, plan, io);
}

export const command: Command = {
  operands: 'MODEL',
  options: {
    ...pruningOptions,
    ...budgetOptions,
    ...removeOptions,
    shape: { type: 'string', value: 'NAME=1x3x48x192', multiple: true, about: 'with a budget or --remove: shape of an input left open' },
    ...modelOptions,
    output: { type: 'string', short: 'o', value: 'FILE', about: 'the ONNX file to write' },
    'sparse-initializers': { type: 'boolean', about: 'store only the kept weights where that is smaller' },
    'save-masks': {
      type: 'string', value: 'FILE', about: 'write masks: .safetensors, with how they were made; .npz; .smtx of one; FOLDER/ of .smtx',
    },
  },
  examples: [
    ['burin prune model.onnx --sparsity 0.9 -o pruned.onnx', 'drop nine weights of ten in every layer'],
    ['burin prune model.tflite --scope 2:4 -o pruned.onnx --sparse-initializers', 'two kept of four, stored packed'],
    ['burin prune model.onnx --sparsity 0.8 --allocation erk --save-masks m.safetensors -o p.onnx', 'more of the large layers'],
    ['burin prune model.onnx --criterion wanda --scope row --calibration x.npz --sparsity 0.5 -o p.onnx', 'by what inputs carry'],
    ['burin prune model.onnx --speedup 2 --granularity "weight,block_rows(4)" -o p.onnx', 'until it is twice as fast here'],
    ['burin prune model.onnx --granularity channels --sparsity 0.5 --remove -o small.onnx', 'half of the channels, removed'],
    ['burin prune model.onnx --mask torch.safetensors -o p.onnx', 'by the masks of another tool'],
  ],
  choices: async () => {
    const { provider } = await engineChoices();
    return { ...(await modelChoices()), ...(await pruningChoices()), provider: provider.filter((name) => name !== 'auto') };
  },
  run: async (args, io) => {
    const spec = args.only('MODEL');
    const prune = await wayOf(args, io), output = args.text('output'), saved = args.text('save-masks');
    if (!output) throw new UsageError('needs -o FILE');
    if (saved) checkMaskPath(saved);
    await expectFolders([output, saved, args.text('save-costs')]);
    const { graph } = await loadModel(spec, args.number('seed', { least: 0, whole: true }));
    const { writeOnnx } = await import('../io/onnx/index.ts');
    const pruned = await prune(graph), made = args.has('remove') ? await removedFrom(pruned.graph, { args, io }) : pruned.graph;
    const bytes = writeOnnx(made, { sparse: args.has('sparse-initializers') });
    // Masks that cannot be written as asked are found out before anything is.
    const masks = saved ? await maskFilesOf(saved, pruned.masks, { graph, how: pruned.how }) : new Map<string, Uint8Array>();
    await write(output, bytes);
    if (saved?.endsWith('/')) await makeFolder(saved);
    for (const [path, content] of masks) await write(path, content);
    io.out(`${summaryOf(made)}\n${output}: ${count(bytes.length)}B\n`);
    return pruned.impossible ? exitCodes.impossible : exitCodes.ok;
  },
};
