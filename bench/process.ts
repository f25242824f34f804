/**
 * Starts and ends the processes of the bench, and reads their CPU and memory from the operating system. Linux
 * only.
 */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type EndSignal, exitCodeOf, untilSignal } from "@odin-ws/settings/signals";

const running = new Set<ChildProcess>();
const cleanups = new Set<() => void>();

function killGroup(child: ChildProcess): void {
  running.delete(child);
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The process has already ended.
  }
}

process.on("exit", () => {
  for (const child of running) killGroup(child);
  for (const cleanup of cleanups) cleanup();
});
// Nothing has to end in good order here: the first signal ends the bench, and with it every process that it
// has started.
const end = (signal: EndSignal) => process.exit(exitCodeOf(signal));
void untilSignal({ endAtOnce: end, hangUp: true }).signal.then(end);

/** Registers a cleanup for the end of the bench, also when the bench is interrupted. */
export const onEnd = (cleanup: () => void): void => void cleanups.add(cleanup);

function track(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/**
 * Starts a program in a process group of its own, so that its workers end with it. Its stderr goes to the
 * terminal.
 */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return track(
    spawn(program, args, {
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env },
    }),
  );
}

/**
 * The gateway's Node flags in production (package.json, Dockerfile). The peers on Node run with the same
 * flags, because memory could not be compared otherwise.
 */
export const NODE_FLAGS = ["--max-semi-space-size=8"];

/**
 * Starts a module of the bench, with a channel for messages.
 *
 * @param through command line of a program that starts Node, such as `unshare --net --`
 */
export function runModule(
  url: URL,
  args: readonly string[] = [],
  through: readonly string[] = [],
  flags: readonly string[] = NODE_FLAGS,
): ChildProcess {
  const [execPath = "", ...execArgv] = [...through, process.execPath, ...flags];
  return track(
    fork(url, args, { execPath, execArgv, detached: true, stdio: ["ignore", "inherit", "inherit", "ipc"] }),
  );
}

/** Kills a process and its workers. The measurement is over, so nothing has to end properly. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  killGroup(child);
  await gone;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The process name before the last ")" may contain anything, also spaces and parentheses.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}

/** Returns a process and all of its descendants. */
export function processTree(root: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** Returns the CPU time that all threads of these processes have used so far, µs. */
export function cpuMicros(pids: readonly number[]): number {
  let nanos = 0;
  for (const pid of pids) {
    // /proc/PID/schedstat covers only the first thread, but V8 and zlib use others too.
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    }
  }
  return nanos / 1000;
}

/** Returns the resident memory of these processes, bytes. */
export function rssBytes(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    if (found === null) throw new Error(`process ${pid} has no resident memory, so the process has ended`);
    total += Number(found[1]) * 1024;
  }
  return total;
}
