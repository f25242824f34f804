import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, computeApi, type GoogleApi, retryIsUseless } from "./compute-api.ts";
import { lastPart, resize, vmsOf } from "./gateway-groups.ts";

const POLL_MS = 5_000; // 5 s between two requests
/**
 * 20 min. A gateway leaves within the draining timeout of its load balancers (60 s and its own drain), and
 * its VM stops within two minutes more.
 */
const DEADLINE_MS = 1_200_000;

/** The group to empty, and the times of the wait. */
export interface DrainArgs {
  /** `projects/P/regions/R/instanceGroupManagers/NAME`. */
  group: string;
  /** `projects/P/regions/R/autoscalers/NAME` */
  autoscaler: string;
  /** Receives a line when the number of VMs changes. */
  print: (line: string) => void;
  /** Milliseconds; the defaults are the constants above. */
  poll?: number;
  deadline?: number;
}

/** The group is not empty. The message says what is left, and what to do. */
export class DrainError extends Error {
  override readonly name = "DrainError";
}

/**
 * Makes a group of gateways empty, and returns a line with the result. The group removes its VMs, and so each
 * gateway fails `/health` and sends its clients away with `reconnect`, while the load balancers still forward
 * to it. The clients resume in another region.
 *
 * @throws DrainError when gateways are left at the deadline, or when the group cannot be changed
 */
export async function drainRegion(args: DrainArgs, api: GoogleApi): Promise<string> {
  const { group, print, poll = POLL_MS, deadline = DEADLINE_MS } = args;
  const name = lastPart(group);
  const end = performance.now() + deadline;
  let isResized = false;
  let before = "";
  for (;;) {
    let left: string;
    try {
      if (!isResized) {
        await stopAutoscaler(args, api);
        await resize(api, group, 0);
        isResized = true;
      }
      const vms = await vmsOf(api, group);
      if (vms.length === 0) return `${name}: empty, no gateway is left`;
      left = `${vms.length} gateways are leaving: ${vms.map((vm) => vm.name).join(", ")}`;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return `${name}: does not exist any more`;
      if (retryIsUseless(error)) throw unchangeable(name, error);
      left = error.message; // may be temporary; otherwise the final error contains the message
    }
    if (left !== before) print(`${name}: ${left}`);
    before = left;
    if (performance.now() + poll > end)
      throw new DrainError(
        `${name}: not empty within ${Math.round(deadline / 1000)} s: ${left}. Nothing else of the region was removed; another \`pulumi up\` waits again. To remove a region that cannot be reached: ODIN_DRAIN=skip pulumi up`,
      );
    await sleep(poll);
  }
}

/** Otherwise the autoscaler would make the group full again. */
async function stopAutoscaler({ autoscaler }: DrainArgs, api: GoogleApi): Promise<void> {
  const region = autoscaler.replace(/\/[^/]+$/, "");
  const body = { autoscalingPolicy: { mode: "OFF" } };
  await api("PATCH", `${region}?autoscaler=${encodeURIComponent(lastPart(autoscaler))}`, body).catch(
    (error: unknown) => {
      // A region that was drained before it was removed has no autoscaler any more.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    },
  );
}

function unchangeable(name: string, error: ApiError): DrainError {
  const hint =
    error.status === 403
      ? ": this account needs compute.instanceGroupManagers.update and compute.autoscalers.update"
      : "";
  return new DrainError(`${name}: cannot be emptied: ${error.message}${hint}`, { cause: error });
}

/**
 * The command `npm run drain-region`, with GROUP, AUTOSCALER and DRAIN in the environment. Without
 * DRAIN=true, and with ODIN_DRAIN=skip, nothing happens. ODIN_DRAIN_DEADLINE_SECONDS replaces the longest
 * wait of 20 min.
 */
async function main(env: NodeJS.ProcessEnv): Promise<number> {
  const { GROUP: group, AUTOSCALER: autoscaler, DRAIN: drain, ODIN_DRAIN: skip } = env;
  if (
    !group ||
    !autoscaler ||
    !["true", "false"].includes(drain ?? "") ||
    ![undefined, "skip"].includes(skip)
  ) {
    process.stderr.write(
      "set GROUP (projects/P/regions/R/instanceGroupManagers/NAME), AUTOSCALER (projects/P/regions/R/autoscalers/NAME) and DRAIN (true or false) in the environment; ODIN_DRAIN may be skip\n",
    );
    return 2;
  }
  const print = (line: string) => process.stdout.write(`${line}\n`);
  if (drain === "false" || skip === "skip") {
    print(`${lastPart(group)}: not drained: ${drain === "false" ? "the region stays" : "ODIN_DRAIN=skip"}`);
    return 0;
  }
  const deadline = Number(env.ODIN_DRAIN_DEADLINE_SECONDS) * 1000 || DEADLINE_MS;
  const poll = Math.min(POLL_MS, deadline / 4);
  try {
    print(await drainRegion({ group, autoscaler, print, deadline, poll }, computeApi(env)));
    return 0;
  } catch (error) {
    if (!(error instanceof DrainError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.env);
