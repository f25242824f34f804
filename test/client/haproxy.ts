/**
 * haproxy as a load balancer that sends all connections of an address to one gateway, like the load balancer
 * in the cloud.
 */

import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Gateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually } from "../harness/wait.ts";
import { guardFolder } from "../harness/watchdog.ts";

const MISSING = "no haproxy found: install it (Debian: apt-get install haproxy)";

function findHaproxy(): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, "haproxy")).find((path) => existsSync(path));
}

/** The `skip` of a suite that needs haproxy. Throws under CI, because there no test may be skipped. */
export function withoutHaproxy(): string | false {
  if (findHaproxy() !== undefined) return false;
  if (process.env.CI === "true") throw new Error(MISSING);
  return MISSING;
}

/**
 * Starts haproxy in front of these gateways, waits until it forwards to a gateway, and returns the address
 * for clients.
 */
export async function startHaproxy(owner: Owner, gateways: readonly Gateway[]): Promise<string> {
  const program = findHaproxy();
  if (program === undefined) throw new Error(MISSING);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "odin-haproxy-"));
  guardFolder(folder);
  const file = join(folder, "haproxy.cfg");
  const servers = gateways.map(
    ({ wsPort, opsPort }, n) =>
      `  server gateway${n} 127.0.0.1:${wsPort} check port ${opsPort} inter 200 fall 1 rise 1`,
  );
  await writeFile(
    file,
    `global
  maxconn 100
defaults
  mode tcp
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  timeout check 1s
listen gateways
  bind 127.0.0.1:${port}
  balance source
  hash-type consistent
  option httpchk GET /health
${servers.join("\n")}
`,
  );
  const { PATH = "", LD_LIBRARY_PATH = "" } = process.env;
  const haproxy = new ProcessGroup(program, ["-db", "-f", file], { PATH, LD_LIBRARY_PATH });
  owner.after(async () => {
    await haproxy.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  await eventually(
    () => `an answer through haproxy:\n${haproxy.tail()}`,
    async () => {
      if (haproxy.exit !== undefined) throw new Error(haproxy.tail());
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      return answer !== undefined;
    },
  );
  return `ws://127.0.0.1:${port}/ws`;
}
