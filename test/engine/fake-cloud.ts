/** A fake cloud that records all operations, and refuses what the real cloud refuses. */

import { randomBytes } from "node:crypto";
import { assumedCall } from "../../infra/offline/assumed-outputs.ts";
import { type CommandRunner, runShell } from "./commands.ts";
import { cloudId, refersTo, runDeletion, stateOf } from "./live-state.ts";
import {
  changedKeys,
  isAutoNamed,
  ofUrn,
  type Properties,
  ResourceFailed,
  replacedBy,
} from "./resource-type.ts";

/** A resource that exists. */
export interface Live {
  type: string;
  /** Logical name. */
  name: string;
  urn: string;
  id: string;
  inputs: Properties;
  state: Properties;
}

/** A finished operation. */
export interface Operation {
  action: "create" | "update" | "delete";
  type: string;
  name: string;
  id: string;
  /** The inputs of the operation; of a deletion the inputs that the resource had. */
  inputs: Properties;
  /** Inputs that an update changed. */
  changed: string[];
  /** The engine's timeout in seconds; 0 for the provider's default. */
  timeout: number;
  /** The error; undefined after a success. */
  error: string | undefined;
}

/** A failure that is planned for later operations. */
export interface Fault {
  action: Operation["action"];
  type: string;
  /** Logical name. Default: any name. */
  name?: string;
  message: string;
  /** The resource is created or changed nevertheless, and the cloud reports that it is unhealthy. */
  partial?: boolean;
  /** Number of failures. Default: every time, until `repair`. */
  times?: number;
}

/** Operations whose answers the cloud keeps back. */
export interface Held {
  /** Resolves when the cloud has finished the first such operation, and has not answered it yet. */
  reached: Promise<void>;
  /** Sends the answers, and keeps back no more. */
  release(): void;
}

/** Types whose creation sets something, or overwrites it, instead of adding it: it never answers 409. */
const SET = /^gcp:(projects\/service|storage\/bucketObject|monitoring\/metricDescriptor):|I[Aa][Mm]Member$/;

/** The cloud of all providers. Stacks find in it what they created in it. */
export class FakeCloud {
  /** In the order in which they finished. */
  readonly operations: Operation[] = [];
  /** Runs the commands of `command:local:Command`. A test may replace it. */
  runCommand: CommandRunner = runShell;
  /** Whether a Docker daemon runs on the machine that deploys. */
  dockerDaemon = true;
  /** How long an instance group takes to replace its instances. */
  rolloutMinutes = 10;
  readonly #live = new Map<string, Live>();
  #faults: Fault[] = [];
  #held: (Pick<Operation, "action" | "type" | "name"> & { reached(): void; released: Promise<void> })[] = [];
  #serial = 0;

  /** Everything that exists, in the order of its creation. */
  get resources(): Live[] {
    return [...this.#live.values()];
  }

  all(type: string): Live[] {
    return this.resources.filter((live) => live.type === type);
  }

  /** The only resource of a type, or of a type and a logical name. @throws Error that lists all resources */
  one(type: string, name?: string): Live {
    const found = this.all(type).filter((live) => name === undefined || live.name === name);
    if (found.length === 1 && found[0]) return found[0];
    const known = this.resources.map((live) => `${live.type} ${live.name}`).join("\n  ");
    throw new Error(
      `${found.length} of type ${type}${name ? ` named ${name}` : ""}, not one, among\n  ${known}`,
    );
  }

  /** Adds resources that an earlier run created, without recording operations. */
  restore(resources: readonly Live[]): void {
    for (const live of resources) this.#live.set(live.id, structuredClone(live));
    this.#serial = Math.max(this.#serial, this.#live.size);
  }

  /** Returns the operations since the last call, and removes them. */
  takeOperations(): Operation[] {
    return this.operations.splice(0);
  }

  /** Makes later operations fail. */
  breakNext(fault: Fault): void {
    this.#faults.push({ ...fault });
  }

  /**
   * Keeps back the answers of later operations on a resource, so that an engine can be killed between an
   * operation and its answer.
   */
  hold(held: Pick<Operation, "action" | "type" | "name">): Held {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const keep = { ...held, reached: reached.resolve, released: released.promise };
    this.#held.push(keep);
    return {
      reached: reached.promise,
      release: () => {
        this.#held = this.#held.filter((other) => other !== keep);
        released.resolve();
      },
    };
  }

  /** Removes all planned failures. */
  repair(): void {
    this.#faults = [];
  }

  /**
   * Answers the engine's first question: the inputs, with a made-up name where they have none, as the real
   * provider does.
   */
  check(urn: string, olds: Properties, news: Properties) {
    const { type, name } = ofUrn(urn);
    const { __defaults: _, ...given } = news;
    const inputs: Properties = { ...given, __defaults: [] };
    if (isAutoNamed(type) && given.name === undefined) {
      const keeps = (olds.__defaults as string[] | undefined)?.includes("name");
      inputs.name = keeps ? olds.name : `${name}-${randomBytes(4).toString("hex").slice(1)}`;
      inputs.__defaults = ["name"];
    }
    return { inputs, failures: [] as { property: string; reason: string }[] };
  }

  diff(urn: string, olds: Properties, news: Properties) {
    const { type } = ofUrn(urn);
    const replaces = replacedBy(type, olds, news);
    // As the bridge of the real provider decides: two resources cannot have the same fixed name, so the old
    // one is deleted first, together with everything that depends on it (pulumi-gcp issue 680).
    const isFixed = isAutoNamed(type) && !(news.__defaults as string[] | undefined)?.includes("name");
    const renamed = olds.name !== news.name;
    return {
      changed: changedKeys(olds, news),
      replaces,
      deleteBeforeReplace: replaces.length > 0 && isFixed && !renamed,
    };
  }

  async create(urn: string, inputs: Properties, timeout: number): Promise<Live> {
    const { type, name } = ofUrn(urn);
    return this.#do(
      { action: "create", type, name, id: "", inputs, changed: [], timeout },
      async (operation) => {
        const given = withoutMarks(inputs);
        const serial = ++this.#serial;
        const id = cloudId(type, name, given, serial);
        operation.id = id;
        const clash = this.#live.get(id);
        // Only the provider's service accounts have this argument: the account is used as it is.
        if (clash && given.createIgnoreAlreadyExists === true) return { ...clash, inputs };
        if (clash && !SET.test(type))
          throw new Error(`googleapi: Error 409: The resource '${id}' already exists, alreadyExists`);
        const fault = this.#fault("create", type, name);
        if (fault && !fault.partial) throw new Error(fault.message);
        const state = await stateOf(type, name, given, id, { serial, runCommand: this.runCommand });
        const live = { type, name, urn, id, inputs, state };
        this.#live.set(id, live);
        if (fault) throw new ResourceFailed(fault.message, live);
        return live;
      },
    );
  }

  read(_urn: string, id: string): Live | undefined {
    return this.#live.get(id);
  }

  /** The state after an update, as far as it is known before the update. */
  previewUpdate(urn: string, state: Properties, inputs: Properties): Properties {
    const computes = ofUrn(urn).type === "command:local:Command";
    return computes ? inputs : { ...state, ...withoutMarks(inputs) };
  }

  async update(urn: string, id: string, inputs: Properties, timeout: number): Promise<Properties> {
    const { type, name } = ofUrn(urn);
    const live = this.#existing(id);
    const changed = changedKeys(live.inputs, inputs);
    return this.#do({ action: "update", type, name, id, inputs, changed, timeout }, async () => {
      const fault = this.#fault("update", type, name);
      if (fault && !fault.partial) throw new Error(fault.message);
      const making = { serial: this.#serial, runCommand: this.runCommand, before: live.state };
      const state = await stateOf(type, name, withoutMarks(inputs), id, making);
      Object.assign(live, { inputs, state });
      if (fault) throw new ResourceFailed(fault.message, live);
      // The real provider's wait for the instances takes the default timeout of a creation, 15 minutes,
      // although this is an update: `customTimeouts` of the update change nothing.
      if (inputs.waitForInstances === true && changed.includes("versions") && this.rolloutMinutes > 15)
        throw new ResourceFailed(
          "timeout while waiting for state to become 'updated' (timeout: 15m0s)",
          live,
        );
      return state;
    });
  }

  async delete(urn: string, id: string, timeout: number): Promise<void> {
    const { type, name } = ofUrn(urn);
    const live = this.#live.get(id);
    if (live === undefined) return; // the real provider treats "not found" as a success
    const { inputs } = live;
    const about: Omit<Operation, "error"> = {
      action: "delete",
      type,
      name,
      id,
      inputs,
      changed: [],
      timeout,
    };
    await this.#do(about, async () => {
      const fault = this.#fault("delete", type, name);
      if (fault) throw new Error(fault.message);
      if (live.inputs.deletionProtection === true)
        throw new Error(`googleapi: Error 412: '${id}' has deletion protection`);
      const user = this.resources.find((other) => other.id !== id && refersTo(other, live));
      if (user)
        throw new Error(
          `googleapi: Error 400: The resource '${id}' is already being used by '${user.id}', resourceInUseByAnotherResource`,
        );
      if (type === "command:local:Command") await runDeletion(live, this.runCommand);
      this.#live.delete(id);
    });
  }

  /**
   * What the real provider of `docker` does when the engine configures it, in previews too: it looks for a
   * daemon, whatever the stack does with images.
   *
   * @throws Error without a daemon
   */
  configureDocker(): void {
    if (!this.dockerDaemon)
      throw new Error(
        "Docker native provider returned an unexpected error from Configure: failed to connect to any docker daemon",
      );
  }

  call(token: string, args: Properties): Properties {
    return assumedCall(token, args);
  }

  async #do<Result>(
    about: Omit<Operation, "error">,
    work: (operation: Operation) => Promise<Result>,
  ): Promise<Result> {
    const operation: Operation = { ...about, inputs: withoutMarks(about.inputs), error: undefined };
    try {
      return await work(operation);
    } catch (error) {
      operation.error = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      this.operations.push(operation);
      const { action, type, name } = about;
      const held = this.#held.find(
        (other) => other.action === action && other.type === type && other.name === name,
      );
      held?.reached();
      await held?.released;
    }
  }

  #existing(id: string): Live {
    const live = this.#live.get(id);
    if (live === undefined)
      throw new Error(`googleapi: Error 404: The resource '${id}' was not found, notFound`);
    return live;
  }

  #fault(action: Operation["action"], type: string, name: string): Fault | undefined {
    const found = this.#faults.find(
      (fault) => fault.action === action && fault.type === type && (fault.name ?? name) === name,
    );
    if (found?.times !== undefined) {
      found.times--;
      if (found.times === 0) this.#faults = this.#faults.filter((fault) => fault !== found);
    }
    return found;
  }
}

/** Removes the marks that only the provider needs in the inputs. */
function withoutMarks({ __defaults: _, ...inputs }: Properties): Properties {
  return inputs;
}
