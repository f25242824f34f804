/**
 * SIGINT and SIGTERM, with one rule for all programs of this repository.
 *
 * The first signal asks a program to end in good order. `npm run …` passes on a signal that it gets, and a
 * terminal or a supervisor sends the same signal to the whole process group: the program then gets the signal
 * twice. So a signal within SAME_SIGNAL_MS of the first one counts as the same one. A later signal ends the
 * program at once.
 */

import { constants } from "node:os";

/** Time after the first signal in which another one counts as the same signal, milliseconds. */
export const SAME_SIGNAL_MS = 500;

export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface EndRequest {
  /** Resolves with the first signal. */
  readonly signal: Promise<EndSignal>;
  /** Aborted by the first signal. */
  readonly aborted: AbortSignal;
  /** Stops listening: the next signal has its default action again. */
  dispose(): void;
}

export interface EndRequestOptions {
  /**
   * Called once, by a later signal. The function must end every process that this process has started, and
   * then this process.
   */
  endAtOnce: (signal: EndSignal) => void;
  /** Whether SIGHUP, which a terminal sends when it is closed, is one of the signals. Default: false. */
  hangUp?: boolean;
}

/** Exit code of a program that a signal has ended, as shells have it: 130 for SIGINT, 143 for SIGTERM. */
export const exitCodeOf = (signal: EndSignal): number => 128 + constants.signals[signal];

/** Listens for the signals that ask this process to end. */
export function untilSignal({ endAtOnce, hangUp = false }: EndRequestOptions): EndRequest {
  const { promise, resolve } = Promise.withResolvers<EndSignal>();
  const controller = new AbortController();
  let state: "waiting" | "same signal" | "later signal" | "ended" = "waiting";
  const onSignal = (signal: EndSignal): void => {
    if (state === "waiting") {
      state = "same signal";
      resolve(signal);
      controller.abort(signal);
      // After a busy time, Node runs the expired timer before it handles a signal that has waited.
      // setImmediate runs after both, so a doubled signal that had to wait is still the same signal.
      const later = () => setImmediate(() => (state = "later signal"));
      setTimeout(later, SAME_SIGNAL_MS).unref();
    } else if (state === "later signal") {
      state = "ended";
      endAtOnce(signal);
    }
  };
  const signals: readonly EndSignal[] = hangUp ? ["SIGINT", "SIGTERM", "SIGHUP"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: promise,
    aborted: controller.signal,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
