import type { GoogleApi } from "./compute-api.ts";
import type { GatewayVm } from "./gateway-groups.ts";
import { Console, type StartupLine } from "./startup-lines.ts";
import { readTemplate } from "./template-change.ts";

/** The start-up script of a gateway failed with the new template. */
export class StartFailed extends Error {
  override readonly name = "StartFailed";
}

/** A VM's console, as far as it was read. */
interface Reading {
  console: Console;
  /** Where the next read begins. */
  start: string;
  last: StartupLine | undefined;
}

/**
 * Whether the VMs of a group have applied a template. A group counts a VM as updated as soon as its metadata
 * are; the gateway applies them later, in its turn, and says so on the serial console.
 */
export class AppliedRevisions {
  readonly #api: GoogleApi;
  readonly #group: string;
  readonly #template: string;
  readonly #readings = new Map<string, Reading>();
  #revision: Promise<string | undefined> | undefined;

  constructor(api: GoogleApi, group: string, template: string) {
    this.#api = api;
    this.#group = group;
    this.#template = template;
  }

  /**
   * The VMs that have not applied the template, in words; undefined when all have. A template of an earlier
   * version has no revision, and then nothing is missing.
   *
   * @throws StartFailed with the line of a VM that could not apply the template
   * @throws ApiError when the template or a console cannot be read
   */
  async missing(vms: readonly GatewayVm[]): Promise<string | undefined> {
    this.#revision ??= this.#readRevision();
    const revision = await this.#revision.catch((error: unknown) => {
      this.#revision = undefined;
      throw error;
    });
    if (revision === undefined) return undefined;
    const waiting: string[] = [];
    for (const vm of vms) {
      const last = await this.#lastLine(vm);
      if (last?.revision !== revision) waiting.push(vm.name);
      else if (last.state === "failed") throw new StartFailed(`${vm.name}: ${last.text}`);
    }
    return waiting.length > 0 ? `not applied yet by ${waiting.join(", ")}` : undefined;
  }

  async #readRevision(): Promise<string | undefined> {
    const { metadata } = await readTemplate(this.#api, this.#template);
    return metadata?.items?.find(({ key }) => key === "odin-revision")?.value;
  }

  /** The last result on the console: an earlier line of the same revision may be older than another one. */
  async #lastLine({ name, zone }: GatewayVm): Promise<StartupLine | undefined> {
    const reading = this.#readings.get(name) ?? { console: new Console(), start: "0", last: undefined };
    this.#readings.set(name, reading);
    const [, project = ""] = this.#group.split("/");
    const path = `projects/${project}/zones/${zone}/instances/${name}/serialPort?port=1&start=`;
    for (let more = true; more; ) {
      const page = (await this.#api("GET", path + reading.start)) as { contents?: string; next?: string };
      reading.last = reading.console.read(page.contents ?? "").at(-1) ?? reading.last;
      more = page.next !== undefined && page.next !== reading.start && (page.contents ?? "") !== "";
      reading.start = page.next ?? reading.start;
    }
    return reading.last;
  }
}
