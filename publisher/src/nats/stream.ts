/** The stream that holds the events. Gateways create it, too, with the same settings; whoever is first does. */

import { JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { SUBJECTS } from "@odin-ws/protocol";

/** Settings of a stream that is created. One that exists is left as it is. */
export interface StreamSettings {
  name: string;
  storage: "file" | "memory";
  /** 3 on a cluster. */
  replicas: number;
  maxAgeSeconds: number;
  maxMessages: number;
  maxBytes: number;
}

/** How the stream was found. */
export interface StreamFound {
  created: boolean;
  /** Subjects that it captures. */
  subjects: readonly string[];
}

// JetStream's error codes.
const NOT_FOUND = 10059;
const NAME_IN_USE = 10058;
const NANOSECONDS = 1_000_000_000; // in one second

/**
 * Creates the stream when it is missing.
 *
 * How long it remembers message ids is left to NATS: two minutes, and never longer than it keeps messages, so 30 s with the
 * defaults.
 */
export async function ensureStream(jsm: JetStreamManager, settings: StreamSettings): Promise<StreamFound> {
  try {
    const { config } = await jsm.streams.info(settings.name);
    return { created: false, subjects: config.subjects ?? [] };
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === NOT_FOUND)) throw error;
  }
  try {
    const { config } = await jsm.streams.add({
      name: settings.name,
      subjects: [...SUBJECTS],
      retention: "limits",
      discard: "old",
      storage: settings.storage,
      num_replicas: settings.replicas,
      max_age: Math.round(settings.maxAgeSeconds * NANOSECONDS),
      max_msgs: settings.maxMessages,
      max_bytes: settings.maxBytes,
    });
    return { created: true, subjects: config.subjects ?? [] };
  } catch (error) {
    // A gateway was faster, with settings of its own.
    if (error instanceof JetStreamApiError && error.code === NAME_IN_USE) return ensureStream(jsm, settings);
    throw error;
  }
}
