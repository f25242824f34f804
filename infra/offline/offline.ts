import * as pulumi from "@pulumi/pulumi";
import { disconnect, getMonitor } from "@pulumi/pulumi/runtime/settings.js";
import { assumedCall, assumedOutputs } from "./assumed-outputs.ts";

/** A resource that a program registered. */
export interface Recorded {
  urn: string;
  /** For example `gcp:compute/network:Network` or `odin-ws:index:Network`. */
  type: string;
  /** Logical name. */
  name: string;
  /** URN of the component that contains the resource; empty at the top level. */
  parent: string;
  /** False for components. */
  custom: boolean;
  /** Inputs, with the plain values of secrets. */
  inputs: Record<string, unknown>;
  /** Paths of the inputs that are secret, for example `secretData` or `environment.TOKEN`. */
  secrets: string[];
  protect: boolean;
  deleteBeforeReplace: boolean;
  retainOnDelete: boolean;
  ignoreChanges: string[];
  /** URNs of the resources in `dependsOn` and of the resources whose outputs are inputs here. */
  dependencies: string[];
  /** Seconds or Go durations, as registered: `{create, update, delete}`. */
  customTimeouts: { create: string; update: string; delete: string };
}

/** Options of {@link record}. */
export interface RecordOptions {
  project?: string;
  stack?: string;
  /** Configuration by full key, for example `gcp:project`. */
  config?: Record<string, string>;
  secretKeys?: string[];
  /** Answers of provider functions by token. Other functions get an assumed answer (assumed-outputs.ts). */
  calls?: Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>;
}

/** The resources that a program registered, and its result. */
export interface Recording<Result> {
  resources: Recorded[];
  /**
   * The only resource of a type, or the resource of a type with that name.
   * @throws Error that lists all resources
   */
  one(type: string, name?: string): Recorded;
  all(type: string): Recorded[];
  result: Result;
}

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getCustom(): boolean;
  getProtect(): boolean;
  getDeletebeforereplace(): boolean;
  getRetainondelete(): boolean;
  getIgnorechangesList(): string[];
  getDependenciesList(): string[];
  getCustomtimeouts(): { getCreate(): string; getUpdate(): string; getDelete(): string } | undefined;
  getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
}

// Key by which the SDK marks values that JSON has no type for.
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Runs a program without an engine and without a cloud, and returns every resource that the program
 * registered. All values are known: outputs that the cloud would compute are assumed (assumed-outputs.ts).
 * Only one program can run at a time, because the SDK has one monitor per process.
 */
export async function record<Result>(
  program: () => Result | Promise<Result>,
  options: RecordOptions = {},
): Promise<Recording<Result>> {
  const { project = "odin-ws", stack = "test", config = {}, secretKeys = [], calls = {} } = options;
  pulumi.runtime.setAllConfig(config, secretKeys);
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom }) =>
        custom ? assumedOutputs(type, name, inputs) : { id: undefined, state: inputs },
      call: ({ token, inputs }) => calls[token]?.(inputs) ?? assumedCall(token, inputs),
    },
    project,
    stack,
    false,
    "organization", // as Pulumi names it for states in a bucket
  );
  const resources: Recorded[] = [];
  const monitor = getMonitor() as unknown as {
    registerResource(request: RegisterRequest, callback: unknown): Promise<void>;
    newUrn(parent: string, type: string, name: string): string;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    resources.push(
      recorded(request, monitor.newUrn(request.getParent(), request.getType(), request.getName())),
    );
    return register(request, callback);
  };
  const result = await program();
  await disconnect(false);
  return { resources, result, ...finders(resources) };
}

function recorded(request: RegisterRequest, urn: string): Recorded {
  const secrets: string[] = [];
  const timeouts = request.getCustomtimeouts();
  return {
    urn,
    type: request.getType(),
    name: request.getName(),
    parent: request.getParent(),
    custom: request.getCustom(),
    inputs: open(request.getObject()?.toJavaScript() ?? {}, "", secrets) as Record<string, unknown>,
    secrets,
    protect: request.getProtect(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    retainOnDelete: request.getRetainondelete(),
    ignoreChanges: request.getIgnorechangesList(),
    dependencies: request.getDependenciesList(),
    customTimeouts: {
      create: timeouts?.getCreate() ?? "",
      update: timeouts?.getUpdate() ?? "",
      delete: timeouts?.getDelete() ?? "",
    },
  };
}

/** Returns the value without the SDK's marks of secrets, and adds the paths of the secrets to `secrets`. */
function open(value: unknown, path: string, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => open(item, `${path}[${index}]`, secrets));
  if (typeof value !== "object" || value === null) return value;
  const entries = value as Record<string, unknown>;
  if (entries[SIGNATURE] === SECRET) {
    secrets.push(path);
    return open(entries.value, path, secrets);
  }
  return Object.fromEntries(
    Object.entries(entries).map(([key, item]) => [
      key,
      open(item, path === "" ? key : `${path}.${key}`, secrets),
    ]),
  );
}

function finders(resources: Recorded[]) {
  const all = (type: string) => resources.filter((resource) => resource.type === type);
  return {
    all,
    one(type: string, name?: string): Recorded {
      const found = all(type).filter((resource) => name === undefined || resource.name === name);
      if (found.length === 1 && found[0]) return found[0];
      const known = resources.map((resource) => `${resource.type} ${resource.name}`).join("\n  ");
      throw new Error(
        `expected one resource of type ${type}${name ? ` named ${name}` : ""}, found ${found.length} among\n  ${known}`,
      );
    },
  };
}
