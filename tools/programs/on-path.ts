/** Looks for programs of any kind, such as those of the operating system. */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Folders of programs for root, which are not on the PATH of other users. */
export const ROOT_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"] as const;

/** Returns all executable files of this name: on PATH, in its order, and then in other folders. */
export function onPath(program: string, more: readonly string[] = []): string[] {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...more];
  return folders.map((folder) => join(folder, program)).filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
