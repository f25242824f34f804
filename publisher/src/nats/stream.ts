/**
 * The stream that holds the events. Gateways and publishers create it with the same settings, whichever comes
 * first.
 */

import { JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { explainedLimit, type StreamSettings, streamConfig } from "../stream-settings.ts";

/** The stream after `ensureStream`. */
export interface StreamFound {
  /** False: the stream existed. */
  created: boolean;
  /** Subjects that the stream captures. */
  subjects: readonly string[];
}

// Error codes of JetStream.
export const NOT_FOUND = 10059;
export const NAME_IN_USE = 10058;

/** Creates the stream when it is missing. A stream that exists is left as it is. */
export async function ensureStream(jsm: JetStreamManager, settings: StreamSettings): Promise<StreamFound> {
  try {
    const { config } = await jsm.streams.info(settings.name);
    return { created: false, subjects: config.subjects ?? [] };
  } catch (error) {
    if (!isApiError(error, NOT_FOUND)) throw error;
  }
  try {
    const { config } = await jsm.streams.add(streamConfig(settings));
    return { created: true, subjects: config.subjects ?? [] };
  } catch (error) {
    // A gateway has created the stream meanwhile, with other settings.
    if (isApiError(error, NAME_IN_USE)) return ensureStream(jsm, settings);
    throw explainedLimit(error, settings);
  }
}

const isApiError = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;
