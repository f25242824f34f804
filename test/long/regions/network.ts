/**
 * The network of a region: a network namespace that is connected to the test by one cable. There is no way
 * from one region to another except through the test.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import type { Owner } from "../../harness/owner.ts";
import { type Place, ProcessGroup } from "../../harness/process-group.ts";
import { eventually } from "../../harness/wait.ts";

export interface RegionNetwork extends Place {
  /** Address at which programs of the region reach the test. */
  gateway: string;
}

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const ip = (...args: string[]) => execFileSync("ip", args, { env: { PATH }, stdio: "pipe" });
let made = 0;

/**
 * Creates the network of a region. The kernel removes the namespace and both ends of the cable when the
 * namespace's only process ends, however this test ends.
 *
 * @param index of the region, 0 to 99
 */
export async function createNetwork(owner: Owner, index: number): Promise<RegionNetwork> {
  const holder = new ProcessGroup("unshare", ["--net", "--", "sleep", "infinity"], { PATH });
  owner.after(() => holder.dispose());
  const namespace = `/proc/${holder.pid}/ns/net`;
  const own = readlinkSync("/proc/self/ns/net");
  await eventually(
    () => `a network namespace:\n${holder.tail()}`,
    () => existsSync(namespace) && readlinkSync(namespace) !== own,
  );
  // A number of the process in both names and addresses: other tests of this machine have other numbers.
  const number = process.pid % 200;
  const cable = `odin${process.pid % 100_000}n${made++}`;
  const net = `198.18.${number}`; // this range is reserved for tests of networks
  const [gateway, host] = [`${net}.${index * 2 * 2 + 1}`, `${net}.${index * 2 * 2 + 2}`];
  const enter = ["nsenter", `--net=${namespace}`, "--"];
  const inside = (...args: string[]) => {
    const [program = "", ...rest] = [...enter, "ip", ...args];
    execFileSync(program, rest, { env: { PATH }, stdio: "pipe" });
  };
  ip("link", "add", "name", cable, "type", "veth", "peer", "name", "uplink", "netns", String(holder.pid));
  ip("address", "add", `${gateway}/30`, "dev", cable);
  ip("link", "set", cable, "up");
  inside("link", "set", "lo", "up");
  inside("address", "add", `${host}/30`, "dev", "uplink");
  inside("link", "set", "uplink", "up");
  return { gateway, host, enter };
}
