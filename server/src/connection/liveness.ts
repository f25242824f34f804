/**
 * Keeps one connection under watch: pings the client, and ends the connection when it is silent or its token
 * expires.
 */

import type { Socket } from "node:net";
import { CLOSE } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import { Progress } from "./progress.ts";
import type { WheelItem } from "./timer-wheel.ts";

/** The part of a connection that Liveness uses. */
export interface LivenessTarget {
  readonly socket: Socket;
  ping(): void;
  /** Closes with a close code and waits for the client's answer. */
  close(code: number, reason: string): void;
  /** Cuts the connection without a close frame. */
  terminate(reason: string): void;
}

/** A client that has sent nothing for this many pings is gone. */
const SILENT_PINGS = 2;

/** A token's expiry is compared at least this often, because somebody may set this machine's clock. */
const EXPIRY_CHECK_SECONDS = 30;

/** Times are whole seconds on the steady clock, except for the token's expiry. */
export class Liveness implements WheelItem {
  /** Kept by the timer wheel. */
  dueAt = 0;
  /** Time at which the token expires, seconds since 1970; 0: never. */
  expiresAt: number;
  readonly #target: LivenessTarget;
  readonly #pingSeconds: number;
  #pingAt: number;
  /** Pings since the client last sent something. */
  #unanswered = 0;
  /** Called once when the client sends something. */
  #onAlive: (() => void) | undefined;
  /** Exists while bytes wait for the client. */
  #progress: Progress | undefined;

  constructor(
    target: LivenessTarget,
    options: { firstPingAt: number; pingSeconds: number; expiresAt: number },
  ) {
    this.#target = target;
    this.#pingSeconds = options.pingSeconds;
    this.#pingAt = options.firstPingAt;
    this.expiresAt = options.expiresAt;
  }

  /** The client has sent something. */
  markAlive(): void {
    this.#unanswered = 0;
    this.#onAlive?.();
  }

  /**
   * Pings the client now. Resolves with whether the client sends something within this time, or takes some of
   * the bytes that wait for it. The line of a slow client works, but the ping waits behind these bytes.
   */
  probe(waitMs: number): Promise<boolean> {
    const { socket } = this.#target;
    const progress = socket.writableLength > 0 ? new Progress(socket, steadyClock.now()) : undefined;
    return new Promise((resolve) => {
      const end = (alive: boolean) => {
        clearTimeout(timer);
        this.#onAlive = undefined;
        resolve(alive);
      };
      // When this process was busy for the whole time, an answer may have arrived but was not read yet. So
      // the sockets are read once more before the client counts as silent.
      const judge = () => end(progress?.sample(steadyClock.now()) ?? false);
      const timer = setTimeout(() => setImmediate(judge), waitMs);
      this.#onAlive = () => end(true);
      this.#target.ping();
    });
  }

  /** Time of the next ping or of the token's expiry, whichever comes first. `second`: the present time. */
  nextVisit(second: number): number {
    if (this.expiresAt === 0) return this.#pingAt;
    const left = Math.max(0, Math.ceil(this.expiresAt - Date.now() / 1000));
    return Math.min(this.#pingAt, second + Math.min(left, EXPIRY_CHECK_SECONDS));
  }

  visit(second: number): number {
    if (this.expiresAt > 0 && Date.now() / 1000 >= this.expiresAt) {
      this.#target.close(CLOSE.tokenExpired, "token expired");
      return 0;
    }
    if (second >= this.#pingAt) {
      const takesBytes = this.#takesBytes();
      if (this.#unanswered >= SILENT_PINGS && !takesBytes) {
        this.#target.terminate("no answer to pings");
        return 0;
      }
      this.#unanswered++;
      this.#pingAt = second + this.#pingSeconds;
      this.#target.ping();
    }
    return this.nextVisit(second);
  }

  /**
   * Returns whether the client has taken bytes that waited at the last ping. A ping waits behind everything
   * that was written before, and on a slow line that may take longer than two pings.
   */
  #takesBytes(): boolean {
    const { socket } = this.#target;
    const now = steadyClock.now();
    const taken = this.#progress?.sample(now) ?? false;
    if (socket.writableLength === 0) this.#progress = undefined;
    else this.#progress ??= new Progress(socket, now);
    return taken;
  }
}
