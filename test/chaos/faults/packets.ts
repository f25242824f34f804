/** Loses packets of the loopback interface, in the network namespace of this run. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { pause } from "../../harness/wait.ts";

const run = promisify(execFile);

/** The packets to a TCP port, or from this port. */
export interface Packets {
  port: number;
  direction: "to" | "from";
}

/** Loses this share of the packets for some time; 1: all of them. */
export async function losePackets(which: readonly Packets[], share: number, ms: number): Promise<void> {
  const made: string[][] = [];
  try {
    for (const { port, direction } of which) {
      const match = ["INPUT", "-p", "tcp", direction === "to" ? "--dport" : "--sport", String(port)];
      const chance = share < 1 ? ["-m", "statistic", "--mode", "random", "--probability", String(share)] : [];
      const rule = [...match, ...chance, "-j", "DROP"];
      await run("iptables", ["-w", "-A", ...rule]);
      made.push(rule);
    }
    await pause(ms);
  } finally {
    for (const rule of made) await run("iptables", ["-w", "-D", ...rule]);
  }
}
