import { fileURLToPath } from "node:url";
import { type Recorded, record } from "@odin-ws/infra";
import { readStack, type StackConfig } from "./stack-config.ts";

/** A stack's program as it ran offline. */
export interface StackRecording extends StackConfig {
  /** Every resource, sorted by URN: the order of registration depends on timing. */
  resources: Recorded[];
}

/** Where the programs are found: in this repository, unless told otherwise. */
export interface StackSource {
  /** Folder of Pulumi.yaml and the stacks' files. */
  folder: string;
  /** The Pulumi program: its default export is called. */
  load: () => Promise<{ default: () => unknown }>;
}

const REPOSITORY: StackSource = {
  folder: fileURLToPath(new URL("../../", import.meta.url)),
  load: () => import("../index.ts"),
};

/**
 * Runs a stack's program without a cloud and returns what it registered. Once in a process: the program is loaded within it.
 *
 * @throws StackConfigError when the files are wrong, and what the program throws, for example when it rejects its configuration
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

/** Folder of this repository, in which the stacks' files are. */
export const repositoryFolder = REPOSITORY.folder;
