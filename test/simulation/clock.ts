/**
 * The clock of a simulation: all timers of the process run on it, so minutes pass in milliseconds, and the
 * same schedule always has the same order of events.
 */

/** Midnight of some day, ms since 1970. */
const START = Date.UTC(2026, 0, 1);
/** Rounds of microtasks behind each timer: enough for the longest chain of promises of gateway and client. */
const MICROTASK_ROUNDS = 16;

class SimTimer {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;

  constructor(at: number, order: number, callback: () => void) {
    this.at = at;
    this.order = order;
    this.callback = callback;
  }

  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
}

const isBefore = (a: SimTimer, b: SimTimer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class SimClock {
  #now = 0;
  #order = 0;
  /** A binary heap: the next timer is first. */
  readonly #heap: SimTimer[] = [];

  /** Milliseconds since 1970. */
  get now(): number {
    return START + this.#now;
  }

  after(ms: number, callback: () => void): SimTimer {
    // Whole milliseconds, as the clocks of messages and tokens have them.
    const timer = new SimTimer(this.#now + Math.max(0, Math.ceil(ms)), this.#order++, callback);
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    for (
      let parent = (at - 1) >> 1;
      at > 0 && isBefore(timer, heap[parent] as SimTimer);
      parent = (at - 1) >> 1
    ) {
      heap[at] = heap[parent] as SimTimer;
      at = parent;
    }
    heap[at] = timer;
    return timer;
  }

  /** Calls everything that is due within this time, ms. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      const { callback } = next;
      if (callback === undefined) continue;
      this.#now = Math.max(this.#now, next.at);
      next.callback = undefined;
      callback();
      await settled();
    }
    this.#now = end;
  }

  /**
   * Replaces the clock, the timers and the random numbers of this process. Returns a function that restores
   * them.
   */
  install(random: () => number): () => void {
    const cancel = (timer: unknown) => {
      if (timer instanceof SimTimer) timer.callback = undefined;
    };
    /** First timers of intervals that were cleared. */
    const stopped = new WeakSet<SimTimer>();
    const every = (callback: () => void, ms: number) => {
      const tick = () => {
        if (stopped.has(handle)) return;
        this.after(ms, tick);
        callback();
      };
      const handle = this.after(ms, tick);
      return handle;
    };
    const replaced = {
      setTimeout: (callback: () => void, ms = 0) => this.after(ms, callback),
      setInterval: every,
      setImmediate: (callback: () => void) => this.after(0, callback),
      clearTimeout: cancel,
      clearInterval: (timer: unknown) => {
        cancel(timer);
        if (timer instanceof SimTimer) stopped.add(timer);
      },
      clearImmediate: cancel,
    };
    const world = globalThis as unknown as Record<string, unknown>;
    const former = Object.keys(replaced).map((name) => [name, world[name]] as const);
    const { now } = Date;
    const { random: formerRandom } = Math;
    Object.assign(globalThis, replaced);
    Date.now = () => this.now;
    Math.random = random;
    Object.defineProperty(performance, "now", { value: () => 1 + this.#now, configurable: true });
    return () => {
      for (const [name, value] of former) world[name] = value;
      Date.now = now;
      Math.random = formerRandom;
      Reflect.deleteProperty(performance, "now");
    };
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as SimTimer;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as SimTimer, heap[child] as SimTimer)) child++;
      if (!isBefore(heap[child] as SimTimer, last)) break;
      heap[at] = heap[child] as SimTimer;
      at = child;
    }
    heap[at] = last;
  }
}

/** Lets all promises proceed that wait for nothing else. */
async function settled(): Promise<void> {
  for (let round = 0; round < MICROTASK_ROUNDS; round++) await null;
}
