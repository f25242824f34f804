/** Options of a publisher: defaults and validation. */

import { accessSync, constants } from "node:fs";
import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { InvalidOptionsError } from "./errors.ts";
import { type NatsServers, readNatsServers } from "./nats/nats-servers.ts";
import { NAME, STREAM_BOUNDS, type StreamSettings } from "./stream-settings.ts";

/** A report of the publisher about itself, for a log. */
export interface PublisherStatus {
  /**
   * - `connected`, `disconnected`: the connection to NATS was made or lost. The publisher reconnects forever.
   * - `retrying`: accepted events wait or are sent again; the message has the reason.
   * - `stream_created`: the stream was missing and has been created.
   * - `problem`: a person has to fix something.
   */
  kind: "connected" | "disconnected" | "retrying" | "stream_created" | "problem";
  message: string;
}

export interface PublisherOptions {
  /**
   * NATS servers: `nats://host:4222` or `tls://host:4222`, several as a list or separated by commas;
   * `user:password@` or `token@` may stand before the host, percent-encoded, in one URL or the same in all
   * URLs. Default `nats://127.0.0.1:4222`.
   */
  servers?: string | readonly string[];
  /**
   * NATS credentials file, instead of a login in `servers`. It is read at each connection. Default: no file.
   */
  credentialsFile?: string;
  /** Name of the connection in the monitoring of NATS. Default `odin-publisher`. */
  name?: string;
  /** Name of the stream that stores the events. Default `ODIN_TOKENS`. */
  stream?: string;
  /**
   * Whether to create the stream when it is missing: `true`, or the settings that differ from the defaults.
   * Default false: a gateway creates the stream.
   */
  createStream?: boolean | Partial<Omit<StreamSettings, "name">>;
  /**
   * JetStream domain of the home region, when `servers` are NATS servers of another region: the stream is
   * created there. Default: `servers` have the stream themselves.
   */
  homeDomain?: string;
  /** Limit of accepted events that have no acknowledgement yet. Default 10,000. */
  maxQueueEvents?: number;
  /** The same limit in bytes. Default 16 MiB. */
  maxQueueBytes?: number;
  /**
   * Limit of events that were sent and have no acknowledgement yet. Each subject has at most one. Default
   * 512.
   */
  maxInFlight?: number;
  /** Time after which an event without an acknowledgement is sent again, milliseconds. Default 2 s. */
  ackTimeoutMs?: number;
  /** Called at each change of state. An error that it throws ends the process, as in any event listener. */
  onStatus?: (status: PublisherStatus) => void;
}

/** Validated options with all defaults. */
export interface Settings extends NatsServers {
  credentialsFile: string | undefined;
  name: string;
  stream: StreamSettings;
  createStream: boolean;
  /** Undefined: the servers have the stream themselves. */
  homeDomain: string | undefined;
  maxQueueEvents: number;
  maxQueueBytes: number;
  maxInFlight: number;
  ackTimeoutMs: number;
  onStatus: (status: PublisherStatus) => void;
}

const DEFAULT_SERVER = "nats://127.0.0.1:4222";

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
 * Validates the options and adds the defaults.
 *
 * @throws InvalidOptionsError that names every mistake
 */
export function readOptions(options: PublisherOptions): Settings {
  const problems: string[] = [];
  const number = (name: string, value: number | undefined, byDefault: number, min: number): number => {
    if (value === undefined || (Number.isFinite(value) && value >= min)) return value ?? byDefault;
    problems.push(`${name}: must be a number of ${min} or more, not ${value}`);
    return byDefault;
  };
  const count = (
    name: string,
    value: number | undefined,
    byDefault: number,
    min: number,
    max = Number.MAX_SAFE_INTEGER,
  ): number => {
    if (value === undefined) return byDefault;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
    problems.push(`${name}: must be a whole number ${range}, not ${value}`);
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
    homeDomain: options.homeDomain === undefined ? undefined : title("homeDomain", options.homeDomain, ""),
    stream: {
      name: title("stream", options.stream, STREAM_DEFAULTS.name),
      storage,
      replicas: count(
        "createStream.replicas",
        wanted.replicas,
        STREAM_DEFAULTS.replicas,
        ...STREAM_BOUNDS.replicas,
      ),
      maxAgeSeconds: number(
        "createStream.maxAgeSeconds",
        wanted.maxAgeSeconds,
        STREAM_DEFAULTS.maxAgeSeconds,
        STREAM_BOUNDS.minAgeSeconds,
      ),
      maxMessages: count(
        "createStream.maxMessages",
        wanted.maxMessages,
        STREAM_DEFAULTS.maxMessages,
        ...STREAM_BOUNDS.maxMessages,
      ),
      maxBytes: count(
        "createStream.maxBytes",
        wanted.maxBytes,
        STREAM_DEFAULTS.maxBytes,
        ...STREAM_BOUNDS.maxBytes,
      ),
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
