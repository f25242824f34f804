import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, computeApi, type GoogleApi, retryIsUseless } from "./compute-api.ts";
import { Console, type StartupLine } from "./startup-lines.ts";

const POLL_MS = 5_000; // 5 s between two requests
const DEADLINE_MS = 600_000; // 10 min: an e2-small pulls and starts its images in 2 to 4 min
const GRACE_MS = 60_000; // 1 min after a failure without a revision: the script may run again in that time

/** The VM to wait for, and the times of the wait. */
export interface AwaitStartupArgs {
  project: string;
  zone: string;
  instance: string;
  /**
   * The VM's attribute `odin-revision`: lines of other revisions are ignored. Undefined: the last line
   * counts.
   */
  revision?: string | undefined;
  /** Milliseconds; the defaults are the constants above. */
  poll?: number;
  deadline?: number;
  grace?: number;
}

/** The VM did not start. The message contains the reason and the last lines of the console. */
export class StartupError extends Error {
  override readonly name = "StartupError";
}

/**
 * Waits until the start-up script of a VM reports on the serial console that it is ready, and returns that
 * line.
 *
 * @throws StartupError when the script reports a failure, when it reports nothing in time, or when the
 * console cannot be read
 */
export async function awaitStartup(args: AwaitStartupArgs, api: GoogleApi): Promise<string> {
  const {
    project,
    zone,
    instance,
    revision,
    poll = POLL_MS,
    deadline = DEADLINE_MS,
    grace = GRACE_MS,
  } = args;
  const end = performance.now() + deadline;
  const screen = new Console();
  const path = `projects/${project}/zones/${zone}/instances/${instance}/serialPort?port=1&start=`;
  let start = "0";
  let last: StartupLine | undefined;
  let lastAt = 0;
  let old = true; // lines of the first read may be of an earlier boot
  let trouble = "";
  for (;;) {
    try {
      // Reads page by page: the console holds up to 1 MB, and one answer contains less than that.
      for (let more = true; more; ) {
        const page = (await api("GET", path + start)) as { contents?: string; next?: string };
        const lines = screen.read(page.contents ?? "").filter((line) => counts(line, revision, old));
        if (lines.length > 0) lastAt = performance.now();
        last = lines.at(-1) ?? last;
        more = page.next !== undefined && page.next !== start && (page.contents ?? "") !== "";
        start = page.next ?? start;
      }
      old = false;
      trouble = "";
    } catch (error) {
      if (!(error instanceof ApiError) || retryIsUseless(error)) throw unreadable(error, instance);
      trouble = error.message; // may be temporary; otherwise the final error contains it
    }
    if (last?.state === "ready") return last.text;
    const known = last !== undefined && (revision === undefined || last.revision !== undefined);
    if (last && (known || performance.now() - lastAt >= grace)) throw failure(instance, last.text, screen);
    if (performance.now() + poll > end) {
      const wanted = revision === undefined ? "" : ` of revision ${revision}`;
      const waited = `no line 'odin-startup: ready'${wanted} within ${Math.round(deadline / 1000)} s`;
      throw failure(instance, [waited, trouble].filter(Boolean).join("; "), screen);
    }
    await sleep(poll);
  }
}

/**
 * Whether a line is about this revision. A new failure without a revision counts too, because the script may
 * have failed before it could read the revision. A ready line always has a revision.
 */
function counts(line: StartupLine, revision: string | undefined, old: boolean): boolean {
  if (revision === undefined) return true;
  return line.revision === revision || (!old && line.state === "failed" && line.revision === undefined);
}

function unreadable(error: unknown, instance: string): StartupError {
  const message = error instanceof Error ? error.message : String(error);
  const hint =
    error instanceof ApiError && error.status === 403
      ? ": this account needs compute.instances.getSerialPortOutput (roles/compute.viewer)"
      : "";
  return new StartupError(`${instance}: cannot read the serial console: ${message}${hint}`, { cause: error });
}

function failure(instance: string, what: string, screen: Console): StartupError {
  const tail = screen.tail.length > 0 ? screen.tail.join("\n  ") : "(nothing)";
  return new StartupError(`${instance}: ${what}\nThe end of its serial console:\n  ${tail}`);
}

/**
 * The command `npm run await-startup`, with PROJECT, ZONE, INSTANCE and REVISION in the environment.
 * ODIN_STARTUP_DEADLINE_SECONDS replaces the longest wait of ten minutes.
 */
async function main(env: NodeJS.ProcessEnv): Promise<number> {
  const { PROJECT: project, ZONE: zone, INSTANCE: instance, REVISION: revision } = env;
  if (!project || !zone || !instance) {
    process.stderr.write(
      "set PROJECT, ZONE and INSTANCE in the environment (and REVISION, to wait for the start with that odin-revision)\n",
    );
    return 2;
  }
  const deadline = Number(env.ODIN_STARTUP_DEADLINE_SECONDS) * 1000 || DEADLINE_MS;
  const poll = Math.min(POLL_MS, deadline / 4);
  const args = { project, zone, instance, revision: revision || undefined, deadline, poll };
  try {
    process.stdout.write(`${instance}: ${await awaitStartup(args, computeApi(env))}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.env);
