/** Options of a publisher: their defaults and their check. */

import { accessSync, constants } from "node:fs";
import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { InvalidOptionsError } from "./errors.ts";
import { type NatsServers, readNatsServers } from "./nats/nats-servers.ts";
import type { StreamSettings } from "./nats/stream.ts";

/** What the publisher tells about itself, for a log. */
export interface PublisherStatus {
  /**
   * - `connected`, `disconnected`: the connection to NATS came or went; it is tried again for ever.
   * - `retrying`: accepted events wait or are sent again, and why.
   * - `stream_created`: the stream was missing and has been created.
   * - `problem`: something that somebody has to put right.
   */
  kind: "connected" | "disconnected" | "retrying" | "stream_created" | "problem";
  message: string;
}

export interface PublisherOptions {
  /**
   * NATS servers: `nats://host:4222` or `tls://host:4222`, several as a list or separated by commas; `user:password@` or
   * `token@` may stand before the host, percent-encoded, in one of them or alike in all. Default `nats://127.0.0.1:4222`.
   */
  servers?: string | readonly string[];
  /** NATS credentials file, instead of a login in `servers`; read again at each connection. Default none. */
  credentialsFile?: string;
  /** Name of the connection, for NATS monitoring. Default `odin-publisher`. */
  name?: string;
  /** Name of the stream that events should arrive in. Default `ODIN_TOKENS`. */
  stream?: string;
  /** Creates the stream when it is missing: `true`, or the settings that differ from the defaults. Default false: a gateway does. */
  createStream?: boolean | Partial<Omit<StreamSettings, "name">>;
  /** Accepted events that may wait for their acknowledgement. Default 10,000. */
  maxQueueEvents?: number;
  /** The same in bytes. Default 16 MiB. */
  maxQueueBytes?: number;
  /** Events sent and not yet acknowledged, over all subjects (one per subject). Default 512. */
  maxInFlight?: number;
  /** An event without an acknowledgement is sent again after this time, milliseconds. Default 2 s. */
  ackTimeoutMs?: number;
  /** Called with each change of state; what it throws ends the process as in any event listener. */
  onStatus?: (status: PublisherStatus) => void;
}

/** Checked options with everything filled in. */
export interface Settings extends NatsServers {
  credentialsFile: string | undefined;
  name: string;
  stream: StreamSettings;
  createStream: boolean;
  maxQueueEvents: number;
  maxQueueBytes: number;
  maxInFlight: number;
  ackTimeoutMs: number;
  onStatus: (status: PublisherStatus) => void;
}

const DEFAULT_SERVER = "nats://127.0.0.1:4222";
const NAME = /^[A-Za-z0-9_-]+$/;

function readable(file: string | undefined, problems: string[]): string | undefined {
  try {
    if (file !== undefined) accessSync(file, constants.R_OK);
  } catch (error) {
    problems.push(
      `credentialsFile: cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return file;
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws InvalidOptionsError naming everything that is wrong.
 */
export function readOptions(options: PublisherOptions): Settings {
  const problems: string[] = [];
  const number = (name: string, value: number | undefined, byDefault: number, min: number): number => {
    if (value === undefined || (Number.isFinite(value) && value >= min)) return value ?? byDefault;
    problems.push(`${name}: must be a number, at least ${min}, not ${value}`);
    return byDefault;
  };
  const count = (name: string, value: number | undefined, byDefault: number, min: number): number => {
    if (value === undefined || Number.isInteger(value)) return number(name, value, byDefault, min);
    problems.push(`${name}: must be a whole number, at least ${min}, not ${value}`);
    return byDefault;
  };
  const title = (name: string, value: string | undefined, byDefault: string): string => {
    if (value === undefined || (typeof value === "string" && NAME.test(value))) return value ?? byDefault;
    problems.push(`${name}: must consist of letters, digits, - and _, not ${JSON.stringify(value)}`);
    return byDefault;
  };
  const { createStream = false } = options;
  const wanted = typeof createStream === "object" ? createStream : {};
  const storage = wanted.storage ?? STREAM_DEFAULTS.storage;
  if (storage !== "file" && storage !== "memory") {
    problems.push(`createStream.storage: must be "file" or "memory", not ${JSON.stringify(storage)}`);
  }
  const { problems: wrong, ...servers } = readNatsServers(options.servers ?? DEFAULT_SERVER);
  problems.push(...wrong.map((problem) => `servers: ${problem}`));
  if (options.credentialsFile !== undefined && Object.keys(servers.login).length > 0) {
    problems.push(
      "credentialsFile: cannot be used together with a user or token in a server's URL; leave one of them out",
    );
  }
  const settings: Settings = {
    ...servers,
    credentialsFile: readable(options.credentialsFile, problems),
    name: title("name", options.name, "odin-publisher"),
    createStream: createStream !== false,
    stream: {
      name: title("stream", options.stream, STREAM_DEFAULTS.name),
      storage,
      replicas: count("createStream.replicas", wanted.replicas, STREAM_DEFAULTS.replicas, 1),
      maxAgeSeconds: number(
        "createStream.maxAgeSeconds",
        wanted.maxAgeSeconds,
        STREAM_DEFAULTS.maxAgeSeconds,
        0.1,
      ),
      maxMessages: count("createStream.maxMessages", wanted.maxMessages, STREAM_DEFAULTS.maxMessages, 1),
      maxBytes: count("createStream.maxBytes", wanted.maxBytes, STREAM_DEFAULTS.maxBytes, 1024),
    },
    maxQueueEvents: count("maxQueueEvents", options.maxQueueEvents, 10_000, 1),
    maxQueueBytes: count("maxQueueBytes", options.maxQueueBytes, 16_777_216, 1024), // 16 MiB
    maxInFlight: count("maxInFlight", options.maxInFlight, 512, 1),
    ackTimeoutMs: count("ackTimeoutMs", options.ackTimeoutMs, 2_000, 10), // 2 s
    onStatus: options.onStatus ?? (() => {}),
  };
  if (problems.length > 0) throw new InvalidOptionsError(problems);
  return settings;
}
