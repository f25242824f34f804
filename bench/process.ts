/** Processes of the bench: their start, their certain end, and what the operating system says they used. Linux only. */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

const running = new Set<ChildProcess>();
const cleanups = new Set<() => void>();

function killGroup(child: ChildProcess): void {
  running.delete(child);
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

process.on("exit", () => {
  for (const child of running) killGroup(child);
  for (const cleanup of cleanups) cleanup();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

/** Runs also when the bench is interrupted. */
export const onEnd = (cleanup: () => void): void => void cleanups.add(cleanup);

function owned(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** A program in a process group of its own, so that its workers end with it. Its errors go to the terminal. */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return owned(
    spawn(program, args, {
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env },
    }),
  );
}

/** What the gateway runs with in production (package.json, Dockerfile); its peers on Node run with it too, or memory would not compare. */
export const NODE_FLAGS = ["--max-semi-space-size=8"];

/** A module of the bench, with a channel for messages. */
export function runModule(url: URL, args: readonly string[] = []): ChildProcess {
  return owned(
    fork(url, args, { execArgv: NODE_FLAGS, detached: true, stdio: ["ignore", "inherit", "inherit", "ipc"] }),
  );
}

/** Ends a process and its workers at once: nothing is measured any more. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  killGroup(child);
  await gone;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it may hold anything, also spaces and parentheses.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}

/** A process and all that descend from it. */
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

/** CPU time that the threads of these processes have used so far, microseconds. */
export function cpuMicros(pids: readonly number[]): number {
  let nanos = 0;
  for (const pid of pids) {
    // The file of the process itself tells only of its first thread; V8 and zlib work in others.
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    }
  }
  return nanos / 1000;
}

/** Resident memory of these processes, bytes. */
export function rssBytes(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    if (found === null) throw new Error(`process ${pid} has no resident memory: it has ended`);
    total += Number(found[1]) * 1024;
  }
  return total;
}
