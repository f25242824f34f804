interface Waiter {
  lastKey: number;
  left: number;
  resolve(): void;
}

/** Who waits until a number of events, told apart by rising keys, have been settled. */
export class FlushWaiters {
  readonly #waiters = new Set<Waiter>();

  /** Resolves when `left` events with keys up to `lastKey` have been settled from now on. */
  wait(lastKey: number, left: number): Promise<void> {
    if (left === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add({ lastKey, left, resolve });
    return promise;
  }

  settled(key: number): void {
    for (const waiter of this.#waiters) {
      if (key > waiter.lastKey || --waiter.left > 0) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
