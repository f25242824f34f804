import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const STOP_GRACE_MS = 5_000; // 5 s from SIGTERM to SIGKILL
// 1 s after the end of the command, in which the processes that it started may end by themselves
const LEAVE_GRACE_MS = 1_000;
const POLL_MS = 50; // ms between two checks of a group that is ending
const CAPTURE_LIMIT = 64 * 1024; // characters of output kept; more than any error message needs
const PS_LIMIT = 16 * 1024 * 1024; // bytes of process list read

/** How one child process is run. */
export interface ChildOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Keep the output in the result instead of showing it; default false. */
  capture?: boolean;
  /** Ends the child and all processes that it started. The promise still resolves, when they have ended. */
  signal?: AbortSignal | undefined;
}

/** Result of a child process. */
export interface ChildResult {
  /** Exit code; 128 + n where signal n ended it, as shells count. */
  code: number;
  /** stdout and stderr when `capture` was set; otherwise empty. */
  output: string;
  /** Command lines of processes that the child started and left running; they were killed. */
  leftBehind: string[];
}

/**
 * Runs a command in a process group of its own, and waits for its end. When the command ends or `signal`
 * aborts, all processes that the command has started are ended, too. Rejects only when the command cannot be
 * started.
 */
export async function runChild(
  command: string,
  args: readonly string[],
  { cwd, env = process.env, capture = false, signal }: ChildOptions = {},
): Promise<ChildResult> {
  if (signal?.aborted) return { code: 128 + constants.signals.SIGTERM, output: "", leftBehind: [] };
  const stream = capture ? "pipe" : "inherit";
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", stream, stream], detached: true });
  const closed = once(child, "close").catch(() => undefined); // `ended` reports the error
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe?.setEncoding("utf8").on("data", (chunk: string) => {
      if (output.length < CAPTURE_LIMIT) output += chunk;
    });
  }

  let stopping: Promise<string[]> | undefined;
  const stop = () => {
    if (child.pid === undefined) return;
    signalGroup(child.pid, "SIGTERM");
    stopping ??= endGroup(child.pid, STOP_GRACE_MS);
  };
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const { code, group } = await ended(child, command);
    const leftBehind = await (stopping ?? endGroup(group, LEAVE_GRACE_MS));
    // The pipes end after the last output. The wait is bounded because a process that left the group may keep
    // a pipe open.
    await Promise.race([closed, sleep(LEAVE_GRACE_MS, undefined, { ref: false })]);
    return { code, output, leftBehind: stopping ? [] : leftBehind };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function ended(child: ChildProcess, command: string): Promise<{ code: number; group: number }> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? new Error(`${command}: command not found`) : error);
    });
    child.once("exit", (code, signal) => {
      resolve({ code: code ?? 128 + constants.signals[signal ?? "SIGKILL"], group: child.pid ?? 0 });
    });
  });
}

/**
 * Waits up to `grace` ms until the group is empty. Then kills the processes that are left, and returns their
 * command lines.
 */
async function endGroup(group: number, grace: number): Promise<string[]> {
  const deadline = performance.now() + grace;
  let members = groupMembers(group);
  while (members.length > 0 && performance.now() < deadline) {
    await sleep(POLL_MS);
    members = groupMembers(group);
  }
  if (members.length > 0) signalGroup(group, "SIGKILL");
  return members;
}

/** Returns whether the group has a process that got the signal. Signal 0 only checks for a process. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false; // ESRCH: the group has no process
  }
}

/** Command lines of the group's processes, without zombies: those have ended and only wait to be reaped. */
function groupMembers(group: number): string[] {
  if (!signalGroup(group, 0)) return [];
  const list = spawnSync("ps", ["-A", "-o", "pgid=,stat=,args="], { encoding: "utf8", maxBuffer: PS_LIMIT });
  if (list.status !== 0) return [`process group ${group}`]; // a machine without ps
  const rows = list.stdout.split("\n").map((line) => line.trim().match(/^(\d+)\s+(\S+)\s+(.*)$/));
  return rows.flatMap((row) => {
    const [, pgid, state = "", args = ""] = row ?? [];
    return Number(pgid) === group && !state.startsWith("Z") ? [args] : [];
  });
}
