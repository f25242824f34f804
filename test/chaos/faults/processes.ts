/** Signals and limits of processes that another fault may have ended. */

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { pause } from "../../harness/wait.ts";

const run = promisify(execFile);

export function signal(pid: number, name: NodeJS.Signals): void {
  // 0 stands for a process that does not run, and would mean this process's own group.
  if (pid <= 0) return;
  try {
    process.kill(pid, name);
  } catch {
    // Another fault has ended the process.
  }
}

export async function whileStopped(pids: readonly number[], ms: number): Promise<void> {
  for (const pid of pids) signal(pid, "SIGSTOP");
  await pause(ms);
  for (const pid of pids) signal(pid, "SIGCONT");
}

/** Numbers of the open descriptors of a process; none when the process has ended. */
export function openFiles(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    return [];
  }
}

/** The process can open no more descriptors for some time. */
export async function whileOutOfFiles(pids: readonly number[], ms: number): Promise<void> {
  for (const pid of pids) {
    const open = new Set(openFiles(pid));
    let free = 0;
    while (open.has(free)) free++;
    await setOpenFiles(pid, free);
  }
  await pause(ms);
  for (const pid of pids) await setOpenFiles(pid, 4096);
}

/** Sets the soft limit. */
async function setOpenFiles(pid: number, limit: number): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]).catch((error: Error) => {
    if (!/No such process/.test(error.message)) throw error;
  });
}
