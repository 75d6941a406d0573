import type { Backend, Program, Work } from '../backends/index.ts';
import { fail } from '../expect.ts';
import { specialize } from '../graph/evaluate.ts';
import type { Graph, Typed } from '../graph/graph.ts';
import type { Call as Operation } from '../graph/ops/op.ts';
import { lowerings } from '../runtime/lower/index.ts';
import { Scratch, type Context } from '../runtime/lower/context.ts';
import type { Lowered } from '../runtime/lower/lower.ts';
import { split } from '../runtime/lower/split.ts';
import type { Choice } from '../runtime/lower/weight.ts';
import { sizeOf, type Tensor } from '../tensor.ts';

/** The one operation of a graph, with the data of its constants. */
export function operationOf(graph: Graph): Operation {
  const { types } = specialize(graph, {}), [node] = graph.nodes;
  return { node, inputs: node.inputs.map((name) => ({ ...types.get(name)!, value: graph.constants.get(name) })) };
}

/** A graph of one layer on a backend, runnable in any way its weight can be stored. Owns all the memory it takes. */
export class Site implements Context {
  readonly backend: Backend;
  readonly #graph: Graph;
  readonly #types: ReadonlyMap<string, Typed>;
  readonly #lowered: Required<Lowered>;
  readonly #places = new Map<string, number>();
  readonly #taken: number[] = [];
  readonly #programs: Program[] = [];
  #scratch = new Scratch();

  constructor(backend: Backend, graph: Graph) {
    const operation = operationOf(graph), { op } = operation.node;
    this.backend = backend;
    this.#graph = graph;
    this.#types = specialize(graph, {}).types;
    const lowered = lowerings[op]?.(this, operation);
    if (!lowered?.weight) fail({ kind: 'argument', where: graph.name, needs: 'a layer that kernels multiply by a weight', got: op });
    this.#lowered = lowered as Required<Lowered>;
  }

  get weight(): Required<Lowered>['weight'] { return this.#lowered.weight; }
  get columns(): Required<Lowered>['columns'] { return this.#lowered.columns; }

  typed(name: string): Typed { return this.#types.get(name)!; }
  constant(name: string): Tensor | undefined { return this.#graph.constants.get(name); }
  scratch(bytes: number): number { return this.#scratch.take(bytes); }

  address(name: string): number {
    const constant = this.constant(name);
    return this.upload(name, () => constant?.data ?? new Float32Array(sizeOf(this.typed(name).shape)));
  }

  upload(key: string, make: () => ArrayBufferView): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const { buffer, byteOffset, byteLength } = make(), address = this.#take(byteLength);
    this.backend.bytes(address, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
    this.#places.set(key, address);
    return address;
  }

  /** The layer run one way. Each program has scratch memory of its own. */
  program(choice: Choice): Program {
    const build = (): readonly Work[] => split(this, this.#lowered.build(choice));
    this.#scratch = new Scratch();
    build();
    this.#scratch.base = this.#take(this.#scratch.mostBytes);
    this.#scratch.reset();
    const program = this.backend.program(build());
    this.#programs.push(program);
    return program;
  }

  /** A view of an f32 value, valid until the next allocation. */
  values(name: string): Float32Array {
    const bytes = this.backend.bytes(this.address(name), sizeOf(this.typed(name).shape) * 4);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }

  dispose(): void {
    for (const program of this.#programs) program.dispose();
    for (const address of this.#taken) this.backend.free(address);
  }

  #take(bytes: number): number {
    const address = this.backend.alloc(bytes);
    this.#taken.push(address);
    return address;
  }
}
