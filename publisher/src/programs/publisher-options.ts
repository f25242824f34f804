import type { Values } from "@odin-ws/settings/variables";
import { type PublisherOptions, readOptions } from "../options.ts";
import { type STREAM_VARIABLES, streamSettings } from "../stream-settings.ts";

/** A publisher's options, and its servers as `host:port`, without passwords: they may be logged. */
export interface Connection {
  publisher: PublisherOptions;
  servers: string;
}

/**
 * The options of a publisher that creates the stream when it is missing, from the variables of the
 * environment.
 */
export function connectionOf(variables: Values<typeof STREAM_VARIABLES>): Connection {
  const { NATS_URL: servers, NATS_CREDS_FILE: credentialsFile, JS_HOME_DOMAIN: homeDomain } = variables;
  const { name, ...createStream } = streamSettings(variables);
  const publisher = {
    ...(servers !== undefined && { servers }),
    ...(credentialsFile !== undefined && { credentialsFile }),
    ...(homeDomain !== undefined && { homeDomain }),
    stream: name,
    createStream,
  };
  return { publisher, servers: readOptions(publisher).servers.join(", ") };
}

/** A seed for each start, so that no two runs have the same market. */
export const randomSeed = (): number => Math.floor(Math.random() * 2 ** 32);
