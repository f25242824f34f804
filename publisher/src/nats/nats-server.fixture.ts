/** A nats-server with JetStream for tests, which a test can kill and start again. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { findProgram, howToGet } from "@odin-ws/tools/programs";

const path = findProgram("nats-server");

/**
 * The `skip` of tests that need nats-server. In CI a missing nats-server is a failure, because no test may be
 * skipped there.
 */
export const withoutNats: string | false = path === undefined && howToGet("nats-server");
if (withoutNats !== false && process.env.CI === "true") throw new Error(withoutNats);

const START_TIMEOUT_MS = 20_000; // 20 s on a busy machine

/**
 * A free port outside the range of outgoing connections, so that the port is still free when the server is
 * started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const probe = createServer();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    if (await promise) return port;
  }
}

/** A message of the stream. */
export interface StoredMessage {
  seq: number;
  subject: string;
  headers: Record<string, string>;
  body: string;
}

export class NatsServer {
  readonly url: string;
  readonly port: number;
  readonly #store: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  constructor(port: number, store: string, args: readonly string[]) {
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
    this.#store = store;
    this.#args = args;
  }

  /**
   * Starts the server, also again on the same port with its stored messages. Resolves when the server takes
   * connections.
   */
  async start(): Promise<void> {
    if (path === undefined) throw new Error("nats-server is missing");
    const args = ["-a", "127.0.0.1", "-p", String(this.port), "-js", "-sd", this.#store, ...this.#args];
    const server = spawn(path, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = server;
    process.once("exit", () => server.kill("SIGKILL"));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const log: string[] = [];
    const fail = (what: string) => reject(new Error(`nats-server ${what}:\n${log.join("\n")}`));
    const timer = setTimeout(() => fail("is not ready"), START_TIMEOUT_MS);
    server.once("exit", (code) => fail(`ended with ${code}`));
    server.once("error", (error) => fail(error.message));
    createInterface({ input: server.stderr }).on("line", (line) => {
      if (log.push(line) > 100) log.shift();
      if (line.includes("Server is ready")) resolve();
    });
    await promise.finally(() => clearTimeout(timer));
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const server = this.#process;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const gone = Promise.withResolvers<void>();
    server.once("exit", () => gone.resolve());
    server.kill("SIGKILL");
    await gone.promise;
  }

  /** SIGSTOP suspends the server while its connections stay open; SIGCONT resumes it. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.kill(signal);
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#store, { recursive: true, force: true });
  }

  /** Does some work with a connection of its own. */
  async visit<Result>(work: (jsm: JetStreamManager, nc: NatsConnection) => Promise<Result>): Promise<Result> {
    const nc = await connect({ servers: this.url, reconnect: false });
    try {
      return await work(await jetstreamManager(nc), nc);
    } finally {
      await nc.close();
    }
  }

  /** All messages of the stream, in their order. */
  read(stream = "ODIN_TOKENS"): Promise<StoredMessage[]> {
    return this.visit(async (jsm, nc) => {
      const all: StoredMessage[] = [];
      const { state } = await jsm.streams.info(stream);
      if (state.messages === 0) return all;
      const consumer = await jetstream(nc).consumers.get(stream);
      for await (const message of await consumer.consume()) {
        const headers = [...(message.headers ?? [])].map(([name, values]) => [name, values.join()]);
        all.push({
          seq: message.seq,
          subject: message.subject,
          headers: Object.fromEntries(headers),
          body: message.string(),
        });
        if (message.seq >= state.last_seq) break;
      }
      return all;
    });
  }
}

/** A nats-server with an empty store, not started yet. It is removed at the end of the test. */
export async function newNats(
  test: { after(work: () => Promise<void>): void },
  args: readonly string[] = [],
): Promise<NatsServer> {
  const server = new NatsServer(await freePort(), await mkdtemp(join(tmpdir(), "odin-publisher-")), args);
  test.after(() => server.dispose());
  return server;
}

/** The same as `newNats`, and started. */
export async function startNats(...args: Parameters<typeof newNats>): Promise<NatsServer> {
  const server = await newNats(...args);
  await server.start();
  return server;
}
