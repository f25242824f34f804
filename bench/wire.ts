/**
 * A network of its own for the load process, joined to the servers by a pair of virtual interfaces. On them,
 * the kernel counts what passes between server and clients, with all headers, as on a real network. Linux
 * only, and only for root.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { onEnd } from "./process.ts";

const [OURS, THEIRS] = ["odinbench0", "odinbench1"];
/** Addresses that RFC 2544 reserves for benches. */
export const SERVER_ADDRESS = "198.18.0.1";
const LOAD_ADDRESS = "198.18.0.2";
/** Bytes of an IP packet, as on Google Cloud. */
const MTU = 1460;
/** The kernel's counters include the header of Ethernet, which is not part of an IP packet. */
const ETHERNET_HEADER = 14;

/** What passed since an interface was created. Bytes are those of IP packets, with their headers. */
export interface Passed {
  bytesToClients: number;
  packetsToClients: number;
  bytesFromClients: number;
  packetsFromClients: number;
}

/** Why the interface cannot be counted here; undefined when it can. */
export function wireUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can create network interfaces";
  for (const program of ["ip", "unshare", "nsenter"]) {
    if (
      spawnSync(program, ["--version"]).error !== undefined &&
      spawnSync(program, ["-V"]).error !== undefined
    )
      return `the program ${program} is missing`;
  }
  return undefined;
}

/** Starts a program in a network of its own: the command line before the program. */
export const OWN_NETWORK = ["unshare", "--net", "--"] as const;

/** @throws Error with the output of the program when it failed */
function execute(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

export class Wire {
  /** @param pid process that was started in a network of its own */
  constructor(pid: number) {
    const inLoad = (...args: string[]) => execute("nsenter", "--net", "--target", String(pid), "ip", ...args);
    onEnd(() => this.remove());
    this.remove();
    execute("ip", "link", "add", OURS, "type", "veth", "peer", "name", THEIRS, "netns", String(pid));
    // IPv6 would send packets to find multicast groups and routers, and the kernel would count these packets.
    writeFileSync(`/proc/sys/net/ipv6/conf/${OURS}/disable_ipv6`, "1");
    // The kernel must not pass several packets as one: each packet has to be counted with its own headers.
    execute("ip", "link", "set", OURS, "mtu", String(MTU), "gso_max_segs", "1", "up");
    execute("ip", "address", "add", `${SERVER_ADDRESS}/30`, "dev", OURS);
    inLoad("link", "set", THEIRS, "mtu", String(MTU), "gso_max_segs", "1", "up");
    inLoad("address", "add", `${LOAD_ADDRESS}/30`, "dev", THEIRS);
  }

  get passed(): Passed {
    const read = (name: string) =>
      Number(readFileSync(`/sys/class/net/${OURS}/statistics/${name}`, "utf8").trim());
    const [packetsToClients, packetsFromClients] = [read("tx_packets"), read("rx_packets")];
    return {
      packetsToClients,
      packetsFromClients,
      bytesToClients: read("tx_bytes") - packetsToClients * ETHERNET_HEADER,
      bytesFromClients: read("rx_bytes") - packetsFromClients * ETHERNET_HEADER,
    };
  }

  remove(): void {
    spawnSync("ip", ["link", "delete", OURS]);
  }
}
