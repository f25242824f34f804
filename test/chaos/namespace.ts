/**
 * Runs this process in a network and a mount namespace of its own. Rules of iptables, sysctls and mounts
 * then affect nothing else on the machine, and disappear when the last process of the run ends.
 */

import { spawnSync } from "node:child_process";
import { onPath, ROOT_FOLDERS } from "../../tools/programs/on-path.ts";

const PROGRAMS = ["unshare", "sh", "ip", "iptables", "mount", "umount", "sysctl"];
const MARK = "ODIN_CHAOS_NAMESPACE";
/**
 * Limits of the kernel's buffers of a socket, bytes: with the usual megabytes, a client that reads nothing
 * for some seconds would never make the gateway wait.
 */
const SOCKET_BYTES = "4096 16384 32768";
const SCRIPT = `
ip link set lo up || exit 1
sysctl -q -w net.ipv4.tcp_wmem="${SOCKET_BYTES}" net.ipv4.tcp_rmem="${SOCKET_BYTES}" || exit 1
exec "$@"
`;

/** Why this machine cannot make namespaces; undefined when it can. */
export function whyNoNamespace(): string | undefined {
  if (process.platform !== "linux") return "only Linux has them";
  if (process.getuid?.() !== 0) return "only root may make them";
  const missing = PROGRAMS.filter((program) => onPath(program, ROOT_FOLDERS).length === 0);
  if (missing.length > 0) return `${missing.join(", ")} not found`;
  if (isInNamespace()) return undefined;
  const { status, stderr } = spawnSync("unshare", ["--net", "--mount", "true"], { encoding: "utf8" });
  return status === 0 ? undefined : stderr.trim(); // a container may forbid them
}

export const isInNamespace = (): boolean => process.env[MARK] === "1";

/** Replaces this process by the same command in new namespaces. Returns only when this process is in them. */
export function enterNamespace(): void {
  if (isInNamespace()) return;
  const command = ["unshare", "--net", "--mount", "sh", "-c", SCRIPT, "sh", process.execPath];
  process.execve?.(
    onPath("unshare", ROOT_FOLDERS)[0] as string,
    [...command, ...process.execArgv, ...process.argv.slice(1)],
    {
      ...process.env,
      [MARK]: "1",
    },
  );
}
