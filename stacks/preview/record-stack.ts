import { fileURLToPath } from "node:url";
import { type Recorded, record } from "@odin-ws/infra";
import { type EngineConfig, readStack } from "./stack-config.ts";

/** A stack's program as it ran offline. */
export interface StackRecording extends EngineConfig {
  /** Every resource, sorted by URN: the order of registration depends on timing. */
  resources: Recorded[];
}

/** Where the stacks' files and their program are. */
export interface StackSource {
  /** Folder of Pulumi.yaml and the stacks' files. */
  folder: string;
  /** Loads the Pulumi program, whose default export is called. */
  load: () => Promise<{ default: () => unknown }>;
}

const REPOSITORY: StackSource = {
  folder: fileURLToPath(new URL("../../", import.meta.url)),
  load: () => import("../index.ts"),
};

/**
 * Runs a stack's program without a cloud, and returns the resources that it registered. A process can call
 * this function once, because the program is loaded into the process.
 *
 * @param source default: this repository
 * @throws StackConfigError when the files are wrong, and every error of the program, for example ConfigError
 */
export async function recordStack(
  stack: string,
  { folder, load }: StackSource = REPOSITORY,
): Promise<StackRecording> {
  const read = readStack(folder, stack);
  const { project, config, secretKeys } = read;
  const { resources } = await record(async () => (await load()).default(), {
    project,
    stack,
    config,
    secretKeys,
  });
  return { ...read, resources: resources.toSorted((a, b) => (a.urn < b.urn ? -1 : 1)) };
}

/** Folder of this repository, which has the stacks' files. */
export const repositoryFolder = REPOSITORY.folder;
