import { run } from './matmul';

// Threads share one memory. A program is a list of phases, a phase a few parts that need nothing of each other; every thread walks down
// the list and takes parts that nobody has taken. A thread that comes late, or never, takes none and nobody waits for it.

/** Bytes between the words that threads watch, so that each has a cache line to itself. */
const LINE: usize = 64;
/** Bytes of a part: who has taken it, its list of calls and how many they are. */
const PART: usize = 12;

/**
 * Takes part in `count` phases: pairs (number of parts, address of the first). Words of `sync`: the number of this run, with which a taken
 * part is marked; parts done so far; threads asleep; whether a thread failed, then this traps. `thread` says which part of a phase to try
 * first: so a thread meets data it has seen before. After `spins` looks at the parts done a thread sleeps; 0: it may not sleep.
 */
export function share(phases: usize, count: u32, sync: usize, thread: u32, spins: u32): void {
  const epoch = load<u32>(sync), done = sync + LINE;
  let needed: u32 = 0;
  for (const end = phases + (<usize>count << 3); phases < end; phases += 8) {
    const parts = load<u32>(phases), first = <usize>load<u32>(phases, 4), last = first + <usize>parts * PART;
    let part = first + (thread < parts ? <usize>thread * PART : 0);
    needed += parts;
    for (let left = parts; left > 0; --left) {
      const owner = atomic.load<u32>(part);
      if (owner != epoch && atomic.cmpxchg<u32>(part, owner, epoch) == owner) {
        run(load<u32>(part, 4), load<u32>(part, 8));
        if (atomic.add<u32>(done, 1) + 1 == needed && atomic.load<u32>(sync, LINE * 2)) atomic.notify(done, -1);
      }
      part += PART;
      if (part == last) part = first;
    }
    wait(sync, needed, spins);
  }
}

/**
 * Until `needed` parts are done. One who goes to sleep is counted before its last look at the number, and the number grows before sleepers
 * are looked for: atomic operations have one order, so nobody sleeps through it.
 */
function wait(sync: usize, needed: u32, spins: u32): void {
  let looks: u32 = 0;
  while (true) {
    const done = atomic.load<u32>(sync, LINE);
    if (done >= needed) break;
    if (spins && ++looks > spins) {
      atomic.add<u32>(sync, 1, LINE * 2);
      atomic.wait<i32>(sync + LINE, done, -1);
      atomic.sub<u32>(sync, 1, LINE * 2);
    }
  }
  if (atomic.load<u32>(sync, LINE * 3)) unreachable();
}
