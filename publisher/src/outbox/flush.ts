interface Waiter {
  lastKey: number;
  left: number;
  resolve(): void;
}

/** Callers of `flush()`, each of which waits until a number of events are settled. Keys of events rise. */
export class FlushWaiters {
  readonly #waiters = new Set<Waiter>();

  /** Resolves when `left` more events with keys up to `lastKey` are settled. */
  wait(lastKey: number, left: number): Promise<void> {
    if (left === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add({ lastKey, left, resolve });
    return promise;
  }

  /** The event with this key is settled: stored, refused or given up. */
  settled(key: number): void {
    for (const waiter of this.#waiters) {
      if (key > waiter.lastKey || --waiter.left > 0) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
