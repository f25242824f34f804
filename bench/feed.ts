/** How a peer gets its messages: a subscription on core NATS, so that its intake costs about what the gateway's does. */

import { connect } from "@nats-io/transport-node";
import { kindOf, parseSubject } from "@odin-ws/protocol";

/** What stands in an envelope beside `seq`. */
export interface FeedMessage {
  offset: number;
  /** Milliseconds since 1970. */
  ts: number;
  type: string;
  priority: string;
  channel: string;
  /** The publisher's JSON. */
  data: string;
}

/** Calls back for every message of the bench; resolves when the subscription stands. */
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

/** Tells the bench where the peer listens, and ends the peer when the bench is gone. */
export function announce(port: number): void {
  process.once("disconnect", () => process.exit());
  process.send?.({ port });
}
