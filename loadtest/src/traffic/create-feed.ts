/** Chooses the source of a run's messages by the options. */

import type { Options } from "../settings/options.ts";
import type { Feed, OnStored } from "./feed.ts";
import { OwnFeed } from "./own-feed.ts";
import type { Plan } from "./plan.ts";

const NO_FAILURES = { count: 0, first: "" };
/**
 * Added to the time for which a rate is set. After that time the service returns to its own rate by itself,
 * also when the load test was killed.
 */
const MARGIN_SECONDS = 30; // seconds
const TIMEOUT_MS = 5000; // ms

class ServiceFeed implements Feed {
  readonly kind = "market";
  readonly controlled = true;
  readonly failures = NO_FAILURES;
  readonly description: string;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
    this.description = `Publisher service at ${url}`;
  }

  ready(): Promise<void> {
    return this.#ask("/health", {});
  }

  async setRate(rate: number, seconds: number): Promise<void> {
    await this.#put({ rate, seconds: Math.min(86_400, seconds + MARGIN_SECONDS) });
  }

  // The service returns to the rate that was set without an end.
  stop(): Promise<void> {
    return this.#put({ rate: 0, seconds: 0.1 });
  }

  #put(body: object): Promise<void> {
    return this.#ask("/rate", { method: "PUT", body: JSON.stringify(body) });
  }

  async #ask(path: string, request: RequestInit): Promise<void> {
    const url = new URL(path, this.#url).href;
    try {
      const response = await fetch(url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    } catch (error) {
      const { message, cause } = error as Error;
      const why = cause instanceof Error ? cause.message || message : message;
      throw new Error(
        `the publisher service did not answer as expected at ${url} (--publisher, PUBLISHER_URL): ${why}`,
      );
    }
  }
}

class ExternalFeed implements Feed {
  readonly kind = "market";
  readonly controlled = false;
  readonly failures = NO_FAILURES;
  readonly description =
    "Messages that someone else publishes, for example the gateway's simulator. If more than RATE messages a second are published, clients subscribe only to a part of the tokens, which has RATE messages a second";
  async ready(): Promise<void> {}
  async setRate(): Promise<void> {}
  async stop(): Promise<void> {}
}

export function createFeed(options: Options, plan: Plan, slow: number, onStored: OnStored): Feed {
  if (options.nats !== undefined) return new OwnFeed(options.nats, plan, slow, onStored);
  return options.publisher === undefined ? new ExternalFeed() : new ServiceFeed(options.publisher);
}
