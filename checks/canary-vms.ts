import { setTimeout as sleep } from "node:timers/promises";
import { awaitStartup } from "./await-startup.ts";
import { ApiError, type GoogleApi, retryIsUseless } from "./compute-api.ts";
import { type GatewayVm, lastError, lastPart, resize, vmsOf } from "./gateway-groups.ts";

/** Times of the canary's group, in milliseconds. */
export interface VmTimes {
  /** Between two looks at the group. */
  poll: number;
  /** For the VMs to start, and for the group to become empty. */
  deadline: number;
}

/** The group of the canary, normally empty. */
export class CanaryVms {
  readonly #api: GoogleApi;
  readonly #group: string;
  readonly #times: VmTimes;

  constructor(api: GoogleApi, group: string, times: VmTimes) {
    this.#api = api;
    this.#group = group;
    this.#times = times;
  }

  /**
   * Starts gateways, and waits until their start-up scripts are done.
   *
   * @throws Error with the reason of a start that failed, or of the group that creates no VM
   */
  async start(size: number, template: string, aborted: AbortSignal): Promise<GatewayVm[]> {
    await resize(this.#api, this.#group, size);
    const vms = await this.#until(
      `${size} VMs that run ${lastPart(template)}`,
      template,
      (found) => found.length === size && found.every(({ settled }) => settled),
      aborted,
    );
    const [, project = ""] = this.#group.split("/");
    for (const { name, zone } of vms) {
      const args = { project, zone, instance: name, deadline: this.#times.deadline, poll: this.#times.poll };
      await awaitStartup(args, this.#api);
    }
    return vms;
  }

  /** Removes all gateways of the group. @param wait whether to wait until they are gone */
  async stop(wait: boolean): Promise<void> {
    await resize(this.#api, this.#group, 0);
    if (wait) await this.#until("no VM", undefined, (found) => found.length === 0);
  }

  /** Whether the group has no VM. An update that was killed may have left VMs. */
  async isEmpty(): Promise<boolean> {
    return (await vmsOf(this.#api, this.#group)).length === 0;
  }

  async #until(
    what: string,
    template: string | undefined,
    fits: (vms: GatewayVm[]) => boolean,
    aborted?: AbortSignal,
  ): Promise<GatewayVm[]> {
    const since = Date.now();
    const end = performance.now() + this.#times.deadline;
    for (;;) {
      aborted?.throwIfAborted();
      let trouble = "";
      try {
        const vms = await vmsOf(this.#api, this.#group, template);
        if (fits(vms)) return vms;
        trouble = `the group has ${vms.map(({ name }) => name).join(", ") || "no VM"}`;
      } catch (error) {
        if (!(error instanceof ApiError) || retryIsUseless(error)) throw error;
        trouble = error.message;
      }
      if (performance.now() + this.#times.poll > end)
        throw new Error(
          `${lastPart(this.#group)}: expected ${what} within ${Math.round(this.#times.deadline / 1000)} s: ${trouble}${await lastError(this.#api, this.#group, since)}`,
        );
      await sleep(this.#times.poll, undefined, aborted === undefined ? {} : { signal: aborted });
    }
  }
}
