import { expect } from '../expect.ts';
import type { Graph } from '../graph/graph.ts';
import type { Optimized } from '../graph/passes/index.ts';
import { segment } from '../graph/segment.ts';
import { Tensor } from '../tensor.ts';
import type { Engine, EngineOptions, EnginePlan } from './engine.ts';
import type { GpuFeeds } from './webgpu/run.ts';

// A network in parts on several engines, one part after the other.

/** A part of a network: nodes [from, to), and the engine that runs them. */
interface Part { readonly engine: Engine; readonly from: number; readonly to: number }

/** A part that is ready: what it is fed, and what nothing reads when it has run. */
interface Link { readonly plan: EnginePlan; readonly inputs: readonly string[]; readonly done: readonly string[] }

/**
 * An engine that gives each node to one of several. It owns them: they are disposed with it.
 * @param placement the place in `engines`, by the name of a node; a node that is not in it (other input shapes may leave other nodes) goes
 * where the one before it went
 */
export function placedEngine(engines: readonly Engine[], placement: ReadonlyMap<string, number>): Engine {
  let own = [...engines];
  const self: Engine = {
    name: own.map(({ name }) => name).join('+'), buffers: false,
    told: () => Object.assign(
      {}, ...[...own].sort((a, b) => Number(b.buffers) - Number(a.buffers)).map((engine) => engine.told()), { provider: self.name },
    ),
    compile: (input, options) => chain(input, partsOf(input.graph, own, placement), options),
    memory: () => own.map((engine) => engine.memory()).reduce((a, b) => ({
      usedBytes: a.usedBytes + b.usedBytes, totalBytes: a.totalBytes + b.totalBytes,
    })),
    async recover(device) {
      own = await Promise.all(own.map(async (engine) => await engine.recover?.(device) ?? engine));
      return self;
    },
    dispose: () => { for (const engine of own) engine.dispose(); },
  };
  return self;
}

function partsOf({ nodes }: Graph, engines: readonly Engine[], placement: ReadonlyMap<string, number>): Part[] {
  const parts: Part[] = [];
  let [from, now] = [0, nodes.map(({ name }) => placement.get(name)).find((place) => place !== undefined) ?? 0];
  nodes.forEach(({ name }, i) => {
    const place = placement.get(name) ?? now;
    if (place !== now && i > from) {
      parts.push({ engine: engines[now], from, to: i });
      from = i;
    }
    now = place;
  });
  return [...parts, { engine: engines[now], from, to: nodes.length }];
}

async function chain(input: Optimized, parts: readonly Part[], options: EngineOptions): Promise<EnginePlan> {
  const links: Link[] = [], { graph } = input, layers = parts.map(({ from, to }) => to - from), total = graph.nodes.length;
  let done = 0;
  const dispose = (): void => { for (const { plan } of links) plan.dispose(); };
  try {
    for (const [i, { engine, from, to }] of parts.entries()) {
      const own = { ...input, ...segment(input, from, to) }, before = done;
      const onProgress = options.onProgress && ((step: { stage: string; done: number }): void =>
        options.onProgress!({ ...step, done: before + step.done, total }));
      const plan = await engine.compile(own, { ...options, onProgress, stays: undefined });
      links.push({ plan, inputs: own.graph.inputs.map(({ name }) => name), done: [] });
      done += layers[i];
    }
    return bind(graph, lastReads(graph, links), dispose);
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Notes with each link the values that are let go after it. */
function lastReads({ outputs }: Graph, links: readonly Link[]): Link[] {
  const kept = new Set(outputs.map(({ name }) => name));
  return links.map((link, i) => {
    const later = new Set(links.slice(i + 1).flatMap(({ inputs }) => inputs));
    return { ...link, done: link.inputs.filter((name) => !kept.has(name) && !later.has(name)) };
  });
}

function bind(graph: Graph, links: readonly Link[], dispose: () => void): EnginePlan {
  let open = true;
  const outputs = graph.outputs.map(({ name }) => name), made = new Set(graph.nodes.flatMap((node) => node.outputs));
  /** Runs all links, `before` each with what it is fed. */
  async function through(feeds: GpuFeeds, before?: (link: Link, fed: GpuFeeds) => Promise<void>): Promise<Map<string, Tensor>> {
    const values = new Map(Object.entries(feeds as Record<string, Tensor>));
    for (const link of links) {
      expect(open, { kind: 'state', where: `run of '${graph.name}'`, needs: 'a plan in use', got: 'one that was disposed' });
      const fed = Object.fromEntries(link.inputs.map((name) => [name, values.get(name)!]));
      await before?.(link, fed);
      for (const [name, tensor] of Object.entries(await link.plan.run(fed))) values.set(name, tensor as Tensor);
      for (const name of link.done) values.delete(name);
    }
    return values;
  }
  return {
    layers: links.flatMap(({ plan }) => plan.layers),
    async run(feeds) {
      const values = await through(feeds);
      return Object.fromEntries(outputs.map((name) => {
        const value = values.get(name) ?? graph.constants.get(name)!;
        // What no node made is the caller's feed or the network's own.
        return [name, made.has(name) ? value : new Tensor(value.type, value.data.slice(), value.dims)];
      }));
    },
    async profile(feeds) {
      const ms: number[] = [];
      await through(feeds, async ({ plan }, fed) => { ms.push(...await plan.profile(fed)); });
      return ms;
    },
    dispose() {
      open = false;
      dispose();
    },
  };
}
