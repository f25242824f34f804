/** A publisher for tests that remembers what it told. */

import type { PublisherOptions, PublisherStatus } from "./options.ts";
import { connectPublisher, type Publisher } from "./publisher.ts";

const STATUS_TIMEOUT = 20_000; // 20 s on a busy machine

export class Watched {
  readonly publisher: Publisher;
  readonly statuses: PublisherStatus[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(options: PublisherOptions) {
    this.publisher = connectPublisher({
      ...options,
      onStatus: (status) => {
        this.statuses.push(status);
        for (const listener of this.#listeners) listener();
      },
    });
  }

  /** Resolves with the first status of this kind from number `from` on, whether it came already or comes. */
  async told(kind: PublisherStatus["kind"], from = 0): Promise<PublisherStatus> {
    const { promise, resolve, reject } = Promise.withResolvers<PublisherStatus>();
    const look = () => {
      const status = this.statuses.slice(from).find((one) => one.kind === kind);
      if (status !== undefined) resolve(status);
    };
    const fail = () =>
      reject(new Error(`no status "${kind}" came:\n${JSON.stringify(this.statuses, null, 1)}`));
    const timer = setTimeout(fail, STATUS_TIMEOUT);
    this.#listeners.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(look);
    }
  }
}

/** A publisher that is closed with the test, whatever it still holds. */
export function watch(test: { after(work: () => Promise<void>): void }, options: PublisherOptions): Watched {
  const watched = new Watched(options);
  test.after(() => watched.publisher.close({ timeoutMs: 0 }).catch(() => {}));
  return watched;
}
