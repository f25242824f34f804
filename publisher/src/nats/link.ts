/**
 * The connection to NATS, and the only file beside stream.ts that knows NATS: sends events, tells what became of them, and
 * connects again for ever.
 *
 * It does not use the client's own reconnect. That one hides why it fails, forgets or repeats what was written meanwhile, and
 * a `close()` while it dials leaves a socket behind. Here each connection is used until it ends and then replaced by a new
 * one, also the first one; what was in flight is the publisher's to send again.
 */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  createInbox,
  credsAuthenticator,
  headers,
  InvalidArgumentError,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
} from "@nats-io/transport-node";
import { HEADER } from "@odin-ws/protocol";
import type { EncodedEvent } from "../encode.ts";
import type { Settings } from "../options.ts";
import { connectionOptions } from "./nats-servers.ts";
import { ensureStream, type StreamFound } from "./stream.ts";

/** JetStream's answer to a stored event. */
export interface Ack {
  stream: string;
  seq: number;
  duplicate?: boolean;
}

/** Why an event was not stored: no stream captures it, the stream cannot take it now, or will never take it. */
export interface Failure {
  kind: "missing" | "busy" | "refused";
  reason: string;
}

/** Where a link reports to. None of these may throw. */
export interface LinkListener {
  up(server: string): void;
  down(reason: string): void;
  stored(key: number, ack: Ack): void;
  failed(key: number, failure: Failure): void;
  /** The account may not publish on this subject. */
  denied(subject: string, reason: string): void;
  problem(message: string): void;
}

const CONNECT_TIMEOUT = 5_000; // 5 s
const API_TIMEOUT = 3_000; // 3 s; a cluster without a leader does not answer
const PING_INTERVAL = 5_000; // 5 s; two without an answer end the connection
const MIN_WAIT = 100; // ms before the first new attempt
const MAX_WAIT = 2_000; // ms between attempts, at most
// Of JetStream's errors with status 400, the one that passes by itself: the account is out of storage.
const ACCOUNT_FULL = 10002;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a NATS answer says of the event that it belongs to. */
function readAnswer(message: Msg): Ack | Failure {
  if (message.data.length === 0 && message.headers?.code === 503) {
    return { kind: "missing", reason: "no stream captures it" };
  }
  const answer = message.json<Ack & { error?: { code: number; err_code: number; description: string } }>();
  if (answer.error === undefined) return answer;
  const { code, err_code, description } = answer.error;
  const kind = code === 400 && err_code !== ACCOUNT_FULL ? "refused" : "busy";
  return { kind, reason: `${description} (JetStream error ${err_code})` };
}

export class NatsLink {
  readonly #settings: Settings;
  readonly #listener: LinkListener;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #connection: NatsConnection | undefined;
  #inbox = "";
  // Members of a cluster that only NATS told us of.
  #gossip: string[] = [];

  constructor(settings: Settings, listener: LinkListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#running = this.#run();
  }

  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  /** Largest message that the server takes, headers included; undefined while there is none. */
  get maxPayload(): number | undefined {
    return this.#connection?.info?.max_payload;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let wait = MIN_WAIT;
    while (!signal.aborted) {
      let reason: string;
      try {
        const connection = await connect(this.#connectionOptions());
        wait = MIN_WAIT;
        reason = await this.#use(connection);
      } catch (error) {
        reason = messageOf(error);
      }
      if (signal.aborted) return;
      this.#listener.down(reason);
      // Spread, so that publishers do not come back all at once.
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      wait = Math.min(wait * 2, MAX_WAIT);
    }
  }

  #connectionOptions(): ConnectionOptions {
    const { servers, login, tls, credentialsFile, name } = this.#settings;
    return {
      ...connectionOptions({ servers: [...new Set([...servers, ...this.#gossip])], login, tls }),
      name,
      ...(credentialsFile !== undefined && {
        authenticator: credsAuthenticator(readFileSync(credentialsFile)),
      }),
      reconnect: false,
      timeout: CONNECT_TIMEOUT,
      pingInterval: PING_INTERVAL,
      noAsyncTraces: true,
    };
  }

  // Resolves with the reason when the connection has ended.
  async #use(connection: NatsConnection): Promise<string> {
    if (this.#closing.signal.aborted) {
      await connection.close();
      return "closed";
    }
    // A name that TLS can check is known only for the servers that were configured.
    if (connection.info?.tls_required !== true) this.#gossip = connection.info?.connect_urls ?? [];
    this.#inbox = createInbox();
    const inboxLength = this.#inbox.length + 1;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) {
          this.#listener.problem(
            `acknowledgements cannot be received: ${error.message}; allow this subscription`,
          );
          return;
        }
        this.#answered(Number(message.subject.slice(inboxLength)), message);
      },
    });
    void this.#watch(connection);
    this.#connection = connection;
    this.#listener.up(connection.getServer());
    const error = await connection.closed();
    this.#connection = undefined;
    return error instanceof Error ? error.message : "the connection ended";
  }

  #answered(key: number, message: Msg): void {
    // A throw in here would stop the client's reader without a word.
    let answer: Ack | Failure;
    try {
      answer = readAnswer(message);
    } catch (error) {
      answer = { kind: "busy", reason: `the acknowledgement cannot be read: ${messageOf(error)}` };
    }
    if ("kind" in answer) this.#listener.failed(key, answer);
    else this.#listener.stored(key, answer);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== "error") continue;
      const { error } = status;
      if (!(error instanceof PermissionViolationError)) this.#listener.problem(error.message);
      else if (error.operation === "publish") this.#listener.denied(error.subject, error.message);
    }
  }

  /** Sends an event once; its answer comes to the listener under `key`, and not at all when the connection ends before. */
  send(key: number, event: EncodedEvent): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const all = headers();
    all.set(HEADER.messageId, event.messageId);
    if (event.type !== undefined) all.set(HEADER.type, event.type);
    if (event.priority !== undefined) all.set(HEADER.priority, event.priority);
    try {
      connection.publish(event.subject, event.body, { headers: all, reply: `${this.#inbox}.${key}` });
    } catch (error) {
      // The client throws this for what is above the server's limit; else the connection has just ended.
      if (!(error instanceof InvalidArgumentError)) return;
      const reason = `${event.body.length} bytes and headers are more than the server takes (${this.maxPayload} bytes)`;
      queueMicrotask(() => this.#listener.failed(key, { kind: "refused", reason }));
    }
  }

  /** Creates the stream when it is missing. Rejects when NATS is away or says no. */
  async ensureStream(): Promise<StreamFound> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    return ensureStream(
      await jetstreamManager(connection, { checkAPI: false, timeout: API_TIMEOUT }),
      this.#settings.stream,
    );
  }

  /** Ends the connection at once and does not come back. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection?.close();
    // While it dials, it ends by itself within its time limit, and there is nothing to wait for.
    if (this.#connection !== undefined) await this.#running;
  }
}
