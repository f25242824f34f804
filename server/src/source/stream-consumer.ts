/** Consumers of the stream, and the messages that they deliver. */

import { randomBytes } from "node:crypto";
import {
  type Consumer,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  type StreamInfo,
} from "@nats-io/jetstream";
import { HEADER } from "@odin-ws/protocol";
import type { Config } from "../config.ts";
import type { StoredMessage } from "./read-messages.ts";
import type { RawMessage } from "./source.ts";

export type ConsumerSettings = Pick<Config, "JS_STREAM_NAME" | "JS_CONSUMER_NAME">;

/** NATS deletes a consumer that has not been read for this time. */
const INACTIVE_MS = 30_000; // 30 s
const ONE_MESSAGE_MS = 2000; // 2 s

/** Creates an ordered consumer of this gateway's own that starts at this sequence. */
export function createConsumer(
  manager: JetStreamManager,
  { JS_STREAM_NAME, JS_CONSUMER_NAME }: ConsumerSettings,
  startSeq: number,
): Promise<Consumer> {
  return manager.jetstream().consumers.get(JS_STREAM_NAME, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: startSeq,
    // The NATS client only adds a counter to the prefix: without a random part, two gateways would share a
    // consumer.
    name_prefix: `${JS_CONSUMER_NAME}-${randomBytes(6).toString("hex")}`,
    inactive_threshold: INACTIVE_MS,
  });
}

/**
 * Returns the stream's message at this sequence or the first one behind it; undefined when the stream ends
 * before. Uses a consumer, because a gateway may not be permitted to get a message directly.
 */
export async function firstFrom(
  manager: JetStreamManager,
  settings: ConsumerSettings,
  seq: number,
): Promise<StoredMessage | undefined> {
  const consumer = await createConsumer(manager, settings, seq);
  try {
    const { num_pending: pending } = await consumer.info(true);
    if (pending === 0) return undefined;
    const message = await consumer.next({ expires: ONE_MESSAGE_MS });
    if (message === null) throw new Error(`NATS did not deliver the message at sequence ${seq}`);
    return storedOf(message);
  } finally {
    void consumer.delete().catch(() => {});
  }
}

/** True when messages were removed between the first and the last one of the stream. */
export const hasHoles = ({ state }: StreamInfo): boolean => (state.num_deleted ?? 0) > 0;

export const storedOf = ({ info }: JsMsg): StoredMessage => ({
  seq: info.streamSequence,
  storedAt: info.timestampNanos,
});

export function rawOf(message: JsMsg): RawMessage {
  return {
    subject: message.subject,
    offset: message.seq,
    ts: Math.floor(message.info.timestampNanos / 1e6),
    body: message.data,
    type: message.headers?.get(HEADER.type),
    priority: message.headers?.get(HEADER.priority),
  };
}
