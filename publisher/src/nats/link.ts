/**
 * The connection to NATS: sends events, reports their acknowledgements and failures, and reconnects forever.
 *
 * The reconnect of the NATS client is not used. It hides the reason of a failure, it loses or repeats
 * messages that were written meanwhile, and `close()` during an attempt to connect leaves a socket open.
 * Instead, a connection is used until it ends, and then a new connection is made. The publisher sends the
 * events that were in flight again.
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

/** JetStream's acknowledgement of a stored event. */
export interface Ack {
  stream: string;
  seq: number;
  duplicate?: boolean;
}

/**
 * Why an event was not stored: no stream captures its subject, the stream cannot take events now, or NATS
 * refused the event.
 */
export interface Failure {
  kind: "missing" | "busy" | "refused";
  reason: string;
}

/** Gets the reports of a link. No method may throw. */
export interface LinkListener {
  up(server: string): void;
  down(reason: string): void;
  stored(key: number, ack: Ack): void;
  failed(key: number, failure: Failure): void;
  /** The account may not publish on this subject. */
  denied(subject: string, reason: string): void;
  problem(message: string): void;
}

const CONNECT_TIMEOUT_MS = 5_000; // 5 s
const API_TIMEOUT_MS = 3_000; // 3 s: a cluster without a leader does not answer
const PING_INTERVAL_MS = 5_000; // 5 s: two unanswered pings end the connection
const MIN_WAIT_MS = 100; // before the first new attempt
const MAX_WAIT_MS = 2_000; // between two attempts
// The only JetStream error with status 400 that can pass without a change: the account has no storage left.
const ACCOUNT_FULL = 10002;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Reads the acknowledgement of an event. */
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
  // Servers of the cluster that are not in the settings; NATS has sent their addresses.
  #gossip: string[] = [];

  constructor(settings: Settings, listener: LinkListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#running = this.#run();
  }

  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  /** Largest message that the server accepts, headers included. Undefined without a connection. */
  get maxPayload(): number | undefined {
    return this.#connection?.info?.max_payload;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let wait = MIN_WAIT_MS;
    while (!signal.aborted) {
      let reason: string;
      try {
        const connection = await connect(this.#connectionOptions());
        wait = MIN_WAIT_MS;
        reason = await this.#use(connection);
      } catch (error) {
        reason = messageOf(error);
      }
      if (signal.aborted) return;
      this.#listener.down(reason);
      // Random, so that publishers do not reconnect all at once.
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      wait = Math.min(wait * 2, MAX_WAIT_MS);
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
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      noAsyncTraces: true,
    };
  }

  /** Uses a connection until it ends, and resolves with the reason of its end. */
  async #use(connection: NatsConnection): Promise<string> {
    if (this.#closing.signal.aborted) {
      await connection.close();
      return "closed";
    }
    // NATS sends addresses without names. TLS needs the name of a server to check its certificate.
    if (connection.info?.tls_required !== true) this.#gossip = connection.info?.connect_urls ?? [];
    this.#inbox = createInbox();
    const inboxLength = this.#inbox.length + 1;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) {
          this.#listener.problem(
            `acknowledgements cannot be received: ${error.message}; allow the account this subscription`,
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
    // An error that is thrown here would stop the reader of the NATS client without a message.
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

  /**
   * Sends an event once. The listener gets the answer with `key`, or no answer when the connection ends
   * first.
   */
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
      // InvalidArgumentError: the message exceeds the limit of the server. Any other error: the connection
      // has just ended.
      if (!(error instanceof InvalidArgumentError)) return;
      const reason = `${event.body.length} bytes and headers exceed the limit of the server (${this.maxPayload} bytes)`;
      queueMicrotask(() => this.#listener.failed(key, { kind: "refused", reason }));
    }
  }

  /** Creates the stream when it is missing. Rejects when NATS is not connected or refuses. */
  async ensureStream(): Promise<StreamFound> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    const { stream, homeDomain: domain } = this.#settings;
    const options = { checkAPI: false, timeout: API_TIMEOUT_MS, ...(domain !== undefined && { domain }) };
    return ensureStream(await jetstreamManager(connection, options), stream);
  }

  /** Closes the connection at once, and makes no other. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection?.close();
    // An attempt to connect ends after its timeout, and there is no need to wait for the end.
    if (this.#connection !== undefined) await this.#running;
  }
}
