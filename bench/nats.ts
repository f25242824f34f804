/** Starts nats-server, as the source of the gateway and its peers, and as a peer itself. */

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { onEnd, run } from "./process.ts";

const START_TIMEOUT_MS = 10_000; // 10 s

/** Returns a TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), "odin-bench-"));
onEnd(() => rmSync(folder, { recursive: true, force: true }));

export interface NatsServer {
  process: ChildProcess;
  url: string;
  /** Port for WebSocket clients. */
  wsPort: number;
  /** The publisher's connection. */
  connection: NatsConnection;
}

async function connected(url: string): Promise<NatsConnection> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await connect({ servers: url, name: "bench" });
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`nats-server did not start at ${url}`, { cause: error });
      await sleep(50);
    }
  }
}

/**
 * Starts a server with an empty JetStream store, and connects the publisher.
 *
 * @param wsHost address on which WebSocket clients are accepted
 */
export async function startNats(
  program: string,
  { wsCompression = false, wsHost = "127.0.0.1" } = {},
): Promise<NatsServer> {
  const [port, wsPort] = [await freePort(), await freePort()];
  const config = join(folder, `nats-${port}.conf`);
  writeFileSync(
    config,
    [
      `listen: "127.0.0.1:${port}"`,
      `jetstream { store_dir: "${join(folder, `store-${port}`)}" }`,
      `websocket { listen: "${wsHost}:${wsPort}", no_tls: true, compression: ${wsCompression} }`,
      "",
    ].join("\n"),
  );
  const url = `nats://127.0.0.1:${port}`;
  const child = run(program, ["-c", config, "-l", join(folder, `nats-${port}.log`)]);
  return { process: child, url, wsPort, connection: await connected(url) };
}
