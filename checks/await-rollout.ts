import { setTimeout as sleep } from "node:timers/promises";
import { AppliedRevisions, StartFailed } from "./applied-revisions.ts";
import { ApiError, computeApi, type GoogleApi, retryIsUseless } from "./compute-api.ts";
import { lastError, lastPart, vmsOf } from "./gateway-groups.ts";

const POLL_MS = 5_000; // 5 s between two requests
/**
 * 1 h. A wave of gateways takes about 8 min: boot, minReadySec, draining and shutdown. An hour is enough for
 * seven waves.
 */
const DEADLINE_MS = 3_600_000;
const REPEAT_MS = 120_000; // 2 min: the longest time without a line

/** The group to wait for, and the times of the wait. */
export interface AwaitRolloutArgs {
  /** `projects/P/regions/R/instanceGroupManagers/NAME`. */
  group: string;
  /** URL of the instance template that all gateways have to run. */
  template: string;
  /** Receives a line when the group changed, and at least every two minutes. */
  print: (line: string) => void;
  /** Milliseconds; the defaults are the constants above. */
  poll?: number;
  deadline?: number;
  repeat?: number;
}

/** The part of the API's InstanceGroupManager that this check reads. */
interface Group {
  targetSize?: number;
  versions?: { instanceTemplate?: string }[];
  currentActions?: Record<string, number>;
  status?: { isStable?: boolean; versionTarget?: { isReached?: boolean } };
}

/** The rollout did not end. The message says what the group still does, and its last error. */
export class RolloutError extends Error {
  override readonly name = "RolloutError";
}

/**
 * Waits until all gateways of a group have applied the template and the group changes nothing any more, and
 * returns a line with the result. An empty group does not count as ready: a new group is empty until it has
 * created its first gateway.
 *
 * @throws RolloutError when the rollout does not end in time, or when the group cannot be read
 */
export async function awaitRollout(args: AwaitRolloutArgs, api: GoogleApi): Promise<string> {
  const { group: path, template, print, poll = POLL_MS, deadline = DEADLINE_MS, repeat = REPEAT_MS } = args;
  const name = lastPart(path);
  const start = performance.now();
  const since = Date.now();
  const applied = new AppliedRevisions(api, path, template);
  let isRefreshed = false;
  let last = "";
  let printedAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    let line: string;
    try {
      const group = (await api("GET", path)) as Group;
      let missing = notYet(group, template);
      if (!isRefreshed && targets(group, template)) {
        isRefreshed = true;
        await refresh(path, api);
      }
      if (missing === undefined) missing = await applied.missing(await vmsOf(api, path));
      if (missing === undefined)
        return `${name}: all ${group.targetSize} gateways run ${lastPart(template)} after ${seconds(start)} s`;
      line = missing;
    } catch (error) {
      if (error instanceof StartFailed) throw new RolloutError(`${name}: ${error.message}`);
      if (!(error instanceof ApiError) || retryIsUseless(error)) throw unreadable(name, error);
      line = error.message; // may be temporary; otherwise the final error contains the message
    }
    const now = performance.now();
    if (now - start + poll > deadline) {
      const reason = await lastError(api, path, since);
      throw new RolloutError(
        `${name}: the rollout has not ended within ${Math.round(deadline / 1000)} s: ${line}${reason}. The group continues the rollout. Look at LAST_ERROR of the VMs, and at the serial console of one that does not start; another \`pulumi up\` waits again.`,
      );
    }
    if (line !== last || now - printedAt >= repeat) {
      print(`${name}: ${seconds(start)} s: ${line}${await lastError(api, path, since)}`);
      last = line;
      printedAt = now;
    }
    await sleep(poll);
  }
}

/** Whether the group has this template and no other. */
function targets({ versions = [] }: Group, template: string): boolean {
  return versions.length === 1 && lastPart(versions[0]?.instanceTemplate ?? "") === lastPart(template);
}

/**
 * Applies the template to all VMs at once where a refresh of their metadata is enough: the group itself would
 * do the same in waves. The API refuses when a VM has to be replaced, and then the group does all the work.
 */
async function refresh(path: string, api: GoogleApi): Promise<void> {
  const body = { allInstances: true, minimalAction: "REFRESH", mostDisruptiveAllowedAction: "REFRESH" };
  await api("POST", `${path}/applyUpdatesToInstances`, body).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
}

/** What the group still has to do; undefined when there is nothing left. */
function notYet({ targetSize = 0, versions = [], currentActions = {}, status }: Group, template: string) {
  const wanted = lastPart(template);
  if (!targets({ versions }, template)) {
    const other = versions.map(({ instanceTemplate = "" }) => lastPart(instanceTemplate));
    return `the group runs ${other.join(", ")}, not ${wanted} yet`;
  }
  if (targetSize === 0) return "the group has no gateway yet";
  const isReached = status?.versionTarget?.isReached === true;
  if (isReached && status?.isStable === true) return undefined;
  const actions = Object.entries(currentActions)
    .filter(([action, count]) => action !== "none" && count > 0)
    .map(([action, count]) => `${count} ${action}`);
  const still = isReached ? "not stable yet" : `not all run ${wanted} yet`;
  return [`${targetSize} gateways wanted, ${still}`, ...actions].join(", ");
}

function unreadable(name: string, error: unknown): RolloutError {
  const message = error instanceof Error ? error.message : String(error);
  const hint =
    error instanceof ApiError && error.status === 403
      ? ": this account needs compute.instanceGroupManagers.get (roles/compute.viewer)"
      : "";
  return new RolloutError(`${name}: cannot read the instance group: ${message}${hint}`, { cause: error });
}

const seconds = (start: number) => Math.round((performance.now() - start) / 1000);

/**
 * The command `npm run await-rollout`, with GROUP and TEMPLATE in the environment.
 * ODIN_ROLLOUT_DEADLINE_SECONDS replaces the longest wait of one hour.
 */
async function main(env: NodeJS.ProcessEnv): Promise<number> {
  const { GROUP: group, TEMPLATE: template } = env;
  if (!group || !template) {
    process.stderr.write(
      "set GROUP (projects/P/regions/R/instanceGroupManagers/NAME) and TEMPLATE (URL of the instance template) in the environment\n",
    );
    return 2;
  }
  const deadline = Number(env.ODIN_ROLLOUT_DEADLINE_SECONDS) * 1000 || DEADLINE_MS;
  const poll = Math.min(POLL_MS, deadline / 4);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  try {
    print(await awaitRollout({ group, template, print, deadline, poll }, computeApi(env)));
    return 0;
  } catch (error) {
    if (!(error instanceof RolloutError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.env);
