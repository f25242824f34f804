/**
 * Counters of the hot path: plain numbers, which are added to the metrics once a message instead of once a
 * delivery.
 */

import { PRIORITIES } from "@odin-ws/protocol";
import { eventLabel, type Metrics } from "../metrics.ts";
import { ENCODINGS, type Encoding } from "./frame.ts";
import type { Message } from "./message.ts";

/** Reason for a dropped delivery. `throttled`: by a connection's level; `shed`: by WS_MAX_BROADCAST_RATE. */
export type DropReason = "throttled" | "shed";

const countsByEncoding = (): Record<Encoding, number> => ({ plain: 0, deflate: 0, compact: 0 });

export class Tally {
  readonly #metrics: Metrics;
  /** By encoding, since the last flush. */
  readonly #sent = countsByEncoding();
  readonly #bytes = countsByEncoding();
  #throttled = 0;
  #shed = 0;
  #conflated = 0;
  /** Deliveries since the start. */
  deliveries = 0;
  /** Dropped deliveries since the start. */
  dropped = 0;
  /** Messages since the start that waited for a slow client until a newer one of their channel came. */
  conflated = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  countSent(bytes: number, encoding: Encoding): void {
    this.#sent[encoding]++;
    this.#bytes[encoding] += bytes;
  }

  /** Counts the bytes of a dictionary, which the next message on this connection needs. */
  countDictionary(bytes: number): void {
    this.#bytes.compact += bytes;
  }

  countDropped(reason: DropReason): void {
    if (reason === "shed") this.#shed++;
    else this.#throttled++;
  }

  /** A message waited for a slow client, and is not sent because a newer one of its channel came. */
  countConflated(): void {
    this.#conflated++;
  }

  /** Adds the counts since the last call to the metrics, under the message's event and priority. */
  flush({ event: name, priority }: Message): void {
    const { messagesSent, bytesSent, messagesDropped, conflated } = this.#metrics;
    const event = eventLabel(name);
    for (const encoding of ENCODINGS) {
      const [sent, bytes] = [this.#sent[encoding], this.#bytes[encoding]];
      if (sent > 0) messagesSent.inc({ event, encoding }, sent);
      if (bytes > 0) bytesSent.inc({ encoding, event }, bytes);
      this.deliveries += sent;
      this.#sent[encoding] = 0;
      this.#bytes[encoding] = 0;
    }
    const level = PRIORITIES[priority] ?? "medium";
    if (this.#throttled > 0) messagesDropped.inc({ reason: "throttled", priority: level }, this.#throttled);
    if (this.#shed > 0) messagesDropped.inc({ reason: "shed", priority: level }, this.#shed);
    if (this.#conflated > 0) conflated.inc({ event }, this.#conflated);
    this.dropped += this.#throttled + this.#shed;
    this.conflated += this.#conflated;
    this.#throttled = 0;
    this.#shed = 0;
    this.#conflated = 0;
  }
}
