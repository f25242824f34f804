/**
 * Delivers messages to a peer by a subscription on core NATS, which costs about as much as the gateway's
 * reading.
 */

import { connect } from "@nats-io/transport-node";
import { kindOf, parseSubject } from "@odin-ws/protocol";

/** An envelope without `seq`. */
export interface FeedMessage {
  offset: number;
  /** Milliseconds since 1970. */
  ts: number;
  type: string;
  priority: string;
  channel: string;
  /** JSON text of the publisher. */
  data: string;
}

/** Subscribes to all messages of the bench; resolves when the subscription is active. */
export async function subscribeFeed(url: string, onMessage: (message: FeedMessage) => void): Promise<void> {
  const connection = await connect({ servers: url });
  let offset = 0;
  connection.subscribe("odin.>", {
    callback: (error, message) => {
      if (error !== null) throw error;
      const parsed = parseSubject(message.subject);
      if (parsed === undefined) return;
      const { channel, event } = parsed;
      onMessage({ offset: ++offset, ts: Date.now(), ...kindOf(event), channel, data: message.string() });
    },
  });
  await connection.flush();
}

/** Sends the peer's port to the bench, and ends the peer when the bench ends. */
export function reportPort(port: number): void {
  process.once("disconnect", () => process.exit());
  process.send?.({ port });
}
