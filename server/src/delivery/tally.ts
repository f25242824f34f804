/**
 * Counters of the hot path: plain numbers, which are added to the metrics once a message instead of once a
 * delivery.
 */

import { PRIORITIES } from "@odin-ws/protocol";
import { eventLabel, type Metrics } from "../metrics.ts";
import type { Encoding } from "./frame.ts";
import type { Message } from "./message.ts";

/** Reason for a dropped delivery. `throttled`: by a connection's level; `shed`: by WS_MAX_BROADCAST_RATE. */
export type DropReason = "throttled" | "shed";

export class Tally {
  readonly #metrics: Metrics;
  #sent = 0;
  #plainBytes = 0;
  #deflatedBytes = 0;
  #compactBytes = 0;
  #throttled = 0;
  #shed = 0;
  /** Deliveries since the start. */
  deliveries = 0;
  /** Dropped deliveries since the start. */
  dropped = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  countSent(bytes: number, encoding: Encoding): void {
    this.#sent++;
    if (encoding === "compact") this.#compactBytes += bytes;
    else if (encoding === "deflate") this.#deflatedBytes += bytes;
    else this.#plainBytes += bytes;
  }

  /** Counts the bytes of a dictionary, which the next message on this connection needs. */
  countDictionary(bytes: number): void {
    this.#compactBytes += bytes;
  }

  countDropped(reason: DropReason): void {
    if (reason === "shed") this.#shed++;
    else this.#throttled++;
  }

  /** Adds the counts since the last call to the metrics, under the message's event and priority. */
  flush({ event, priority }: Message): void {
    const { messagesSent, bytesSent, messagesDropped } = this.#metrics;
    if (this.#sent > 0) messagesSent.inc({ event: eventLabel(event) }, this.#sent);
    if (this.#plainBytes > 0) bytesSent.inc({ encoding: "plain" }, this.#plainBytes);
    if (this.#deflatedBytes > 0) bytesSent.inc({ encoding: "deflate" }, this.#deflatedBytes);
    if (this.#compactBytes > 0) bytesSent.inc({ encoding: "compact" }, this.#compactBytes);
    const level = PRIORITIES[priority] ?? "medium";
    if (this.#throttled > 0) messagesDropped.inc({ reason: "throttled", priority: level }, this.#throttled);
    if (this.#shed > 0) messagesDropped.inc({ reason: "shed", priority: level }, this.#shed);
    this.deliveries += this.#sent;
    this.dropped += this.#throttled + this.#shed;
    this.#sent = 0;
    this.#plainBytes = 0;
    this.#deflatedBytes = 0;
    this.#compactBytes = 0;
    this.#throttled = 0;
    this.#shed = 0;
  }
}
