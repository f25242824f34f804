/**
 * Runs a program as the leader of a new process group, so that tests can find and end the processes it leaves
 * behind.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { within } from "./wait.ts";
import { guardGroup, releaseGroup } from "./watchdog.ts";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ProcessInfo {
  pid: number;
  rssBytes: number;
}

/** A network in which a program runs. */
export interface Place {
  /** Address at which the test reaches the program. */
  host: string;
  /** Words of a command that run the following command in this network. */
  enter: readonly string[];
}

/** The network of the test itself. */
export const HERE: Place = { host: "127.0.0.1", enter: [] };

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has no process left.
  }
}

export class ProcessGroup {
  readonly pid: number;
  /** Everything that the program wrote, for failure messages and for tests that read the program's log. */
  output = "";
  exit: Exit | undefined;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  constructor(program: string, args: readonly string[], env: Record<string, string>) {
    this.#child = spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.pid = this.#child.pid ?? 0;
    if (this.pid !== 0) guardGroup(this.pid);
    const collect = (chunk: Buffer) => {
      this.output += chunk;
    };
    this.#child.stdout?.on("data", collect);
    this.#child.stderr?.on("data", collect);
    this.exited = new Promise((resolve) => {
      const done = (exit: Exit) => {
        this.exit = exit;
        resolve(exit);
      };
      // Waits for "exit", not for "close": "close" does not come while another process still holds the pipes.
      this.#child.once("exit", (code, signal) => setImmediate(done, { code, signal }));
      this.#child.once("error", (error) => {
        this.output += `${error}\n`;
        done({ code: -1, signal: null });
      });
    });
  }

  /** Sends a signal to the program itself, not to the processes that it started. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Stops reading what the program writes to stdout, until `readOutput`. */
  ignoreOutput(): void {
    this.#child.stdout?.pause();
  }

  readOutput(): void {
    this.#child.stdout?.resume();
  }

  /** Living processes of the group, the program itself first. */
  processes(): ProcessInfo[] {
    return listProcesses(this.pid).sort((a, b) => (a.pid === this.pid ? -1 : b.pid === this.pid ? 1 : 0));
  }

  rssBytes(): number {
    return this.processes().reduce((sum, { rssBytes }) => sum + rssBytes, 0);
  }

  /** Ends the program and every process that it started. */
  async dispose(): Promise<void> {
    if (this.pid === 0) return;
    killGroup(this.pid);
    await within(`exit of process ${this.pid}`, this.exited);
    releaseGroup(this.pid);
  }

  /** The end of the output, for failure messages. */
  tail(): string {
    return this.output.slice(-3000) || "(no output)";
  }
}

const PAGE = 4096; // bytes

// Prefers /proc, because slim images have no `ps`.
function listProcesses(group: number): ProcessInfo[] {
  if (!existsSync("/proc/self/stat")) return listWithPs(group);
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // The name stands in parentheses and may contain any character. Behind it: state, ppid, pgrp, and so
      // on; field 24 is rss, in pages.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(fields[2]) !== group || fields[0] === "Z" || fields[0] === "X") return [];
      return [{ pid: Number(name), rssBytes: Number(fields[21]) * PAGE }];
    } catch {
      return []; // The process has ended since readdir.
    }
  });
}

function listWithPs(group: number): ProcessInfo[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,pgid=,stat=,rss="], { encoding: "utf8" }).split("\n");
  return rows.flatMap((row) => {
    const [pid, pgid, state = "", rss] = row.trim().split(/\s+/);
    if (Number(pgid) !== group || state.startsWith("Z")) return [];
    return [{ pid: Number(pid), rssBytes: Number(rss) * 1024 }];
  });
}
