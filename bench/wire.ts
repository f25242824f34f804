/**
 * A network of its own for the load process, joined to the servers by a pair of virtual interfaces. On them,
 * the kernel counts what passes between server and clients, with all headers, as on a real network. Linux
 * only, and only for root.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { onEnd } from "./process.ts";

/** The names of a pair of interfaces, and an address of each end, which RFC 2544 reserves for benches. */
export interface Ends {
  ours: string;
  theirs: string;
  serverAddress: string;
  loadAddress: string;
}
const ENDS: Ends = {
  ours: "odinbench0",
  theirs: "odinbench1",
  serverAddress: "198.18.0.1",
  loadAddress: "198.18.0.2",
};
export const SERVER_ADDRESS = ENDS.serverAddress;
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
  readonly #ours: string;

  /** @param pid process that was started in a network of its own */
  constructor(pid: number, { ours, theirs, serverAddress, loadAddress }: Ends = ENDS) {
    this.#ours = ours;
    const inLoad = (...args: string[]) => execute("nsenter", "--net", "--target", String(pid), "ip", ...args);
    onEnd(() => this.remove());
    this.remove();
    execute("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", String(pid));
    // IPv6 would send packets to find multicast groups and routers, and the kernel would count these packets.
    writeFileSync(`/proc/sys/net/ipv6/conf/${ours}/disable_ipv6`, "1");
    // The kernel must not pass several packets as one: each packet has to be counted with its own headers.
    execute("ip", "link", "set", ours, "mtu", String(MTU), "gso_max_segs", "1", "up");
    execute("ip", "address", "add", `${serverAddress}/30`, "dev", ours);
    inLoad("link", "set", theirs, "mtu", String(MTU), "gso_max_segs", "1", "up");
    inLoad("address", "add", `${loadAddress}/30`, "dev", theirs);
  }

  get passed(): Passed {
    const read = (name: string) =>
      Number(readFileSync(`/sys/class/net/${this.#ours}/statistics/${name}`, "utf8").trim());
    const [packetsToClients, packetsFromClients] = [read("tx_packets"), read("rx_packets")];
    return {
      packetsToClients,
      packetsFromClients,
      bytesToClients: read("tx_bytes") - packetsToClients * ETHERNET_HEADER,
      bytesFromClients: read("rx_bytes") - packetsFromClients * ETHERNET_HEADER,
    };
  }

  remove(): void {
    spawnSync("ip", ["link", "delete", this.#ours]);
  }
}
