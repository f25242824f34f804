/** Publishes a simulated market at a rate that may change. `npm run publish` and the service use it. */

import { EventRefusedError } from "../errors.ts";
import { type RunningMarket, startMarket } from "../market/market.ts";
import type { Publisher } from "../publisher.ts";

export interface LoadOptions {
  publisher: Publisher;
  /** Events per second, not counting the trending list. 0: paused. */
  rate: number;
  tokens: number;
  seed: number;
  /**
   * Gets messages that need attention: events skipped because this process was blocked, and the first refusal
   * of NATS.
   */
  warn: (text: string) => void;
  /**
   * Gets the milliseconds from the publishing of each event to its acknowledgement. Default: the time is not
   * measured.
   */
  onStored?: (ms: number) => void;
}

/** The present rate. */
export interface Rate {
  /** Events per second, not counting the trending list. */
  rate: number;
  /** How long this rate lasts, and the rate after it. Null: this rate has no end. */
  temporary: { seconds_left: number; rate_after: number } | null;
}

export class Load {
  readonly #market: RunningMarket;
  /** The last rate that was set without an end. */
  #lasting: number;
  #now: number;
  #timer: NodeJS.Timeout | undefined;
  /** End of a temporary rate, in the time of performance.now(). */
  #endsAt = 0;

  constructor({ publisher, rate, tokens, seed, warn, onStored = () => {} }: LoadOptions) {
    let refusal = "";
    const onSkip = (events: number) =>
      warn(`this process was blocked for more than a second: ${events} events were skipped`);
    this.#market = startMarket({ rate, tokens, seed, onSkip }, ({ id, subject, data }) => {
      const start = performance.now();
      publisher.publish({ id, subject, data }).then(
        () => onStored(performance.now() - start),
        (error: unknown) => {
          // The publisher counts all other failures. The first refusal is reported with its reason.
          if (!(error instanceof EventRefusedError) || refusal !== "") return;
          refusal = error.message;
          warn(refusal);
        },
      );
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
   * @param seconds how long this rate lasts. Afterwards the last rate without an end is used again. Default:
   * no end.
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
