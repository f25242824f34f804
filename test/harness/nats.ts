/** Runs a nats-server with JetStream that a test can kill and start again. */

import { cp, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import { get } from "./http.ts";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";
import { HERE, type Place, ProcessGroup } from "./process-group.ts";
import { eventually } from "./wait.ts";
import { guardFolder } from "./watchdog.ts";

export const STREAM = "ODIN_TOKENS";

/**
 * The `skip` option of a suite that needs nats-server: how to install nats-server when it is missing,
 * otherwise false.
 *
 * @throws Error in CI when nats-server is missing, because CI must skip no test
 */
export function withoutNats(): string | false {
  if (findProgram("nats-server") !== undefined) return false;
  if (process.env.CI === "true") throw new Error(howToGet("nats-server"));
  return howToGet("nats-server");
}

export interface PublishOptions {
  /** For the acknowledgement. Default: that of the library, 5 s. */
  timeoutMs?: number;
  /** Headers of the message, e.g. `Odin-Priority`. */
  headers?: Record<string, string>;
}

/** How to set up a nats-server that differs from the default. */
export interface NatsSetup {
  /** Whether to leave the server stopped until `start()`. Default false. */
  down?: boolean;
  /** Text of the configuration file. Default: no file, so that all clients may do everything, without TLS. */
  config?: string;
  /** Login of the test itself. Default: no login. */
  login?: NodeConnectionOptions;
  /** Default: the network of the test. */
  place?: Place;
}

interface Session {
  connection: NatsConnection;
  js: JetStreamClient;
  jsm: JetStreamManager;
}

export class Nats {
  readonly url: string;
  /** Base URL of the server's monitoring endpoint. */
  readonly monitoring: string;
  readonly #program: string;
  readonly #args: string[];
  readonly #store: string;
  readonly #config: string;
  #login: NodeConnectionOptions;
  #process: ProcessGroup | undefined;
  #session: Session | undefined;

  constructor(program: string, port: number, monitorPort: number, store: string, setup: NatsSetup) {
    const { config = "", login = {}, place = HERE } = setup;
    const { host, enter } = place;
    this.url = `nats://${host}:${port}`;
    this.monitoring = `http://${host}:${monitorPort}`;
    const [first = program, ...others] = [...enter, program];
    this.#program = first;
    this.#config = join(store, "nats.conf");
    const args = ["-js", "-a", host, "-p", `${port}`, "-m", `${monitorPort}`, "-sd", store];
    this.#args = [...others, ...args, ...(config === "" ? [] : ["-c", this.#config])];
    this.#store = store;
    this.#login = login;
  }

  /** Writes the configuration that the next start reads. */
  async configure(config: string, login: NodeConnectionOptions): Promise<void> {
    this.#login = login;
    await writeFile(this.#config, config);
  }

  /** Starts the server. A restart uses the same ports and the same stored messages. */
  async start(): Promise<void> {
    const server = new ProcessGroup(this.#program, this.#args, { PATH: process.env.PATH ?? "" });
    this.#process = server;
    await eventually(
      () => `nats-server ready:\n${server.tail()}`,
      async () => {
        if (server.exit !== undefined) return true;
        return (await get(`${this.monitoring}/healthz`)).status === 200;
      },
    );
    if (server.exit !== undefined) throw new Error(`nats-server ended:\n${server.tail()}`);
    const connection = await connect({ servers: this.url, ...this.#login, reconnect: false });
    this.#session = { connection, js: jetstream(connection), jsm: await jetstreamManager(connection) };
  }

  /** Id of the server's process; 0 while the server is down. */
  get pid(): number {
    return this.#session === undefined ? 0 : (this.#process?.pid ?? 0);
  }

  /** Ends the server with SIGKILL. */
  async kill(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.connection.close().catch(() => {});
    await this.#process?.dispose();
  }

  /** Deletes all stored messages. Call it only while the server is down. */
  async wipe(): Promise<void> {
    await rm(this.#store, { recursive: true, force: true });
  }

  /** Copies the store as the server has written it so far, for `goBack`. */
  async copyStore(): Promise<void> {
    await rm(this.#olderStore, { recursive: true, force: true });
    // While messages come in, a file may be replaced during the copy.
    await eventually("a copy of the store", () =>
      cp(this.#store, this.#olderStore, { recursive: true, force: true }).then(
        () => true,
        () => false,
      ),
    );
  }

  /**
   * Replaces the store by the copy, as if the server had lost everything that it stored since. Call it only
   * while the server is down.
   */
  async goBack(): Promise<void> {
    await this.wipe();
    await rename(this.#olderStore, this.#store);
  }

  get #olderStore(): string {
    return `${this.#store}-older`;
  }

  async dispose(): Promise<void> {
    await this.kill();
    await this.wipe();
    await rm(this.#olderStore, { recursive: true, force: true });
  }

  get jsm(): JetStreamManager {
    if (this.#session === undefined) throw new Error("nats-server is down");
    return this.#session.jsm;
  }

  /** Deletes the stream and creates it again with the same settings, unless a gateway creates it first. */
  async recreateStream(): Promise<void> {
    const { config } = await this.jsm.streams.info(STREAM);
    await this.jsm.streams.delete(STREAM);
    await this.jsm.streams.add(config).catch((error: unknown) => {
      if (!/already in use/.test(String(error))) throw error;
    });
  }

  /**
   * Publishes `data`, text and bytes unchanged and any other value as JSON. Resolves with the stream sequence
   * of the message when the message is stored. The stream stores messages in the order of the calls.
   */
  async publish(subject: string, data: unknown, options: PublishOptions = {}): Promise<number> {
    if (this.#session === undefined) throw new Error("nats-server is down");
    const body =
      typeof data === "string" || data instanceof Uint8Array ? data : (JSON.stringify(data) ?? "undefined");
    const all = headers();
    for (const [name, value] of Object.entries(options.headers ?? {})) all.set(name, value);
    const ack = await this.#session.js.publish(subject, body, {
      ...(options.headers !== undefined && { headers: all }),
      ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    });
    return ack.seq;
  }

  /** Publishes these bodies on one subject, in order, and resolves with their stream sequences. */
  publishAll(subject: string, bodies: readonly unknown[]): Promise<number[]> {
    // Thousands of messages at once may take a busy machine longer than the library's 5 s.
    return Promise.all(bodies.map((body) => this.publish(subject, body, { timeoutMs: 20_000 })));
  }
}

/** Starts a nats-server. The server ends with its owner, and its stored messages are deleted. */
export async function startNats(owner: Owner, setup: NatsSetup = {}): Promise<Nats> {
  const program = findProgram("nats-server");
  if (program === undefined) throw new Error(howToGet("nats-server"));
  const store = await mkdtemp(join(tmpdir(), "odin-nats-"));
  const nats = new Nats(program, await freePort(), await freePort(), store, setup);
  owner.after(() => nats.dispose());
  guardFolder(store);
  const { down = false, config = "", login = {} } = setup;
  if (config !== "") await nats.configure(config, login);
  if (!down) await nats.start();
  return nats;
}
