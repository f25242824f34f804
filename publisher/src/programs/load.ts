/** A simulated market that is published at a rate which may change: what `npm run publish` and the service put on NATS. */

import { EventRefusedError } from "../errors.ts";
import { type RunningMarket, startMarket } from "../market/market.ts";
import type { Publisher } from "../publisher.ts";

export interface LoadOptions {
  publisher: Publisher;
  /** Events per second beside trending; 0: paused. */
  rate: number;
  tokens: number;
  seed: number;
  /** Gets what somebody should look at: events left out because this process stood still, and the first refusal. */
  warn: (text: string) => void;
}

/** What is published now. */
export interface Rate {
  /** Events per second beside trending. */
  rate: number;
  /** How long this rate still holds, and which one comes then; null: it has no end. */
  temporary: { seconds_left: number; rate_after: number } | null;
}

export class Load {
  readonly #market: RunningMarket;
  /** The rate that has no end. */
  #lasting: number;
  #now: number;
  #timer: NodeJS.Timeout | undefined;
  /** When the present rate ends, of performance.now(). */
  #endsAt = 0;

  constructor({ publisher, rate, tokens, seed, warn }: LoadOptions) {
    let refusal = "";
    const onSkip = (events: number) => warn(`this process stood still: ${events} events were left out`);
    this.#market = startMarket({ rate, tokens, seed, onSkip }, ({ id, subject, data }) => {
      publisher.publish({ id, subject, data }).catch((error: unknown) => {
        // Everything else is in the publisher's figures; a refusal is told once, with its reason.
        if (!(error instanceof EventRefusedError) || refusal !== "") return;
        refusal = error.message;
        warn(refusal);
      });
    });
    this.#lasting = rate;
    this.#now = rate;
  }

  get rate(): Rate {
    if (this.#timer === undefined) return { rate: this.#now, temporary: null };
    const left = Math.max(0, this.#endsAt - performance.now()) / 1000;
    return {
      rate: this.#now,
      temporary: { seconds_left: Math.round(left * 10) / 10, rate_after: this.#lasting },
    };
  }

  /**
   * Changes the rate from now on; 0 pauses.
   *
   * @param seconds after them the last rate without an end holds again. Default: this one has no end.
   */
  setRate(rate: number, seconds?: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (seconds === undefined) this.#lasting = rate;
    else {
      this.#endsAt = performance.now() + seconds * 1000;
      this.#timer = setTimeout(() => this.setRate(this.#lasting), seconds * 1000);
    }
    this.#now = rate;
    this.#market.setRate(rate);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#market.stop();
  }
}
