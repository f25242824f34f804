/** A publisher for tests that records its status reports. */

import type { PublisherOptions, PublisherStatus } from "./options.ts";
import { connectPublisher, type Publisher } from "./publisher.ts";

const STATUS_TIMEOUT_MS = 20_000; // 20 s on a busy machine

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

  /** Resolves with the first status of this kind, past or future. Ignores the first `from` statuses. */
  async reported(kind: PublisherStatus["kind"], from = 0): Promise<PublisherStatus> {
    const { promise, resolve, reject } = Promise.withResolvers<PublisherStatus>();
    const look = () => {
      const status = this.statuses.slice(from).find((one) => one.kind === kind);
      if (status !== undefined) resolve(status);
    };
    const fail = () =>
      reject(new Error(`no status "${kind}" came:\n${JSON.stringify(this.statuses, null, 1)}`));
    const timer = setTimeout(fail, STATUS_TIMEOUT_MS);
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

/** A publisher that is closed at the end of the test, even if it has events that are not stored. */
export function watch(test: { after(work: () => Promise<void>): void }, options: PublisherOptions): Watched {
  const watched = new Watched(options);
  test.after(() => watched.publisher.close({ timeoutMs: 0 }).catch(() => {}));
  return watched;
}
