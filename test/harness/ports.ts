/** Finds free TCP ports. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

// These ports are below the range of outgoing connections (from 32768 on Linux, 49152 elsewhere). A free
// port therefore stays free until a server takes it, also while that server is down for a restart.
const FIRST = 20_000;
const COUNT = 12_000;

/** Has one file for each port that a test process uses, with the id of this process. */
const CLAIMS = join(tmpdir(), "odin-test-ports");

const claimed = new Set<number>();

/** A free port that no test process on this machine uses, also not for a server that is down now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (claimed.has(port) || !claim(port)) continue;
    if (await isFree(port)) return port;
  }
}

/** Returns false while another living process has the port. */
function claim(port: number): boolean {
  const file = claimFile(port);
  mkdirSync(CLAIMS, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch {
    if (isClaimedByOther(file)) return false;
    writeFileSync(file, String(process.pid));
  }
  if (claimed.size === 0) process.once("exit", releaseAll);
  claimed.add(port);
  return true;
}

function isClaimedByOther(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0);
    return true;
  } catch {
    return false; // the process ended without an exit handler, for example by SIGKILL
  }
}

function releaseAll(): void {
  for (const port of claimed) rmSync(claimFile(port), { force: true });
}

function claimFile(port: number): string {
  return join(CLAIMS, String(port));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
