/** One NATS server or a cluster of three. Each has a small disk of its own where namespaces allow this. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { findProgram } from "../../../tools/programs/programs.ts";
import { Nats, STREAM } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { eventually } from "../../harness/wait.ts";
import { guardFolder } from "../../harness/watchdog.ts";
import { isInNamespace } from "../namespace.ts";

const DISK = "96m";
/** A cluster needs some seconds for a new leader, and requests meanwhile have no answer. */
const API_MS = 30_000;
const ATTEMPTS = 4;
const FILLER_BYTES = 65_536;

interface Member {
  nats: Nats;
  port: number;
  routePort: number;
  disk: string;
}

export class NatsServers {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  get servers(): readonly Nats[] {
    return this.#members.map(({ nats }) => nats);
  }
  get ports(): readonly number[] {
    return this.#members.map(({ port }) => port);
  }
  /** For NATS_URL. */
  get url(): string {
    return this.servers.map(({ url }) => url).join(",");
  }

  /** Ports on which a server accepts connections of clients and of other servers. */
  portsOf(index: number): number[] {
    const { port, routePort } = this.#members[index] as Member;
    return [port, routePort];
  }

  async start(): Promise<void> {
    await Promise.all(this.servers.map((server) => startWithPatience(server)));
  }

  /** Ends a server with SIGKILL and starts it again afterwards. */
  async restart(index: number, meanwhile: () => Promise<void>): Promise<void> {
    const { nats } = this.#members[index] as Member;
    await nats.kill();
    await meanwhile();
    await startWithPatience(nats);
  }

  /** Fills the disk of a server. Returns a function that makes room again. */
  async fillDisk(index: number): Promise<() => Promise<void>> {
    const filler = join((this.#members[index] as Member).disk, "filler");
    const some = Buffer.alloc(FILLER_BYTES);
    for (let bytes = FILLER_BYTES; bytes >= 1; bytes = Math.floor(bytes / 4)) {
      try {
        for (;;) writeFileSync(filler, some.subarray(0, bytes), { flag: "a" });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
    return async () => rmSync(filler);
  }

  async changeLeader(): Promise<void> {
    await this.#ask(async (_, server) => {
      const connection = await connect({ servers: server.url, reconnect: false });
      try {
        const answer = await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM}`);
        const { error } = answer.json<{ error?: { description: string } }>();
        if (error !== undefined) throw new Error(error.description);
      } finally {
        await connection.close();
      }
    });
  }

  async deleteConsumers(): Promise<void> {
    await this.#ask(async (jsm) => {
      for await (const { name } of jsm.consumers.list(STREAM))
        await jsm.consumers.delete(STREAM, name).catch(() => {}); // another request may have deleted it
    });
  }

  async purge(): Promise<void> {
    await this.#ask((jsm) => jsm.streams.purge(STREAM));
  }

  /** Replaces the stream by an empty one, unless a gateway does this first. */
  async recreateStream(): Promise<void> {
    const { config, created } = await this.#ask((jsm) => jsm.streams.info(STREAM));
    await this.#ask(async (jsm) => {
      const found = await jsm.streams.info(STREAM).catch((error: Error) => {
        if (!/not found/.test(error.message)) throw error;
      });
      if (found?.created === created) await jsm.streams.delete(STREAM);
    });
    await this.#ask((jsm) => addStream(jsm, config));
  }

  /** Asks one server after the other until JetStream answers. */
  async #ask<T>(request: (jsm: JetStreamManager, server: Nats) => Promise<T>): Promise<T> {
    const { value } = await eventually(
      "an answer of JetStream",
      async () => {
        let failure: unknown;
        for (const server of this.servers) {
          if (server.pid === 0) continue;
          try {
            return { value: await request(server.jsm, server) };
          } catch (error) {
            failure = error;
          }
        }
        throw failure;
      },
      API_MS,
    );
    return value;
  }
}

async function addStream(jsm: JetStreamManager, config: StreamConfig): Promise<void> {
  await jsm.streams.add(config).catch((error: unknown) => {
    if (!/already in use/.test(String(error))) throw error;
  });
}

/** A server of a cluster is ready when it has caught up with the others. */
async function startWithPatience(server: Nats): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await server.start();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await server.kill();
    }
  }
}

/** Starts one server or several. They end with their owner. */
export async function startNatsServers(owner: Owner, count: number): Promise<NatsServers> {
  const program = findProgram("nats-server") as string;
  const routePorts = await Promise.all(Array.from({ length: count }, () => freePort()));
  const routes = routePorts.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const members = await Promise.all(
    routePorts.map(async (routePort, index) => {
      const disk = makeDisk(owner);
      const cluster = `cluster { name: chaos, listen: "127.0.0.1:${routePort}", routes: [${routes}], no_advertise: true }`;
      const config = `server_name: nats-${index}
jetstream { max_file_store: 1GB }
${count > 1 ? cluster : ""}
`;
      const store = join(disk, "store");
      mkdirSync(store);
      const port = await freePort();
      const nats = new Nats(program, port, await freePort(), store, { config });
      owner.after(() => nats.dispose());
      await nats.configure(config, {});
      return { nats, port, routePort, disk };
    }),
  );
  const servers = new NatsServers(members);
  await servers.start();
  return servers;
}

function makeDisk(owner: Owner): string {
  const disk = mkdtempSync(join(tmpdir(), "odin-chaos-disk-"));
  guardFolder(disk);
  if (isInNamespace()) execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "chaos", disk]);
  owner.after(() => {
    if (isInNamespace()) execFileSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  });
  return disk;
}
