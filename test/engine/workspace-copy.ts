/** A copy of this repository's sources, which a test may change. */

import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Owner } from "../harness/owner.ts";
import { guardFolder } from "../harness/watchdog.ts";
import { repository } from "./repository.ts";

/**
 * Copies the sources of this repository's packages, and links installed packages. The copy is removed with
 * `owner`.
 */
export async function copyWorkspace(owner: Owner): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "odin-workspace-"));
  guardFolder(folder);
  owner.after(() => rm(folder, { recursive: true, force: true }));
  const manifest = readFileSync(join(repository, "package.json"), "utf8");
  const { workspaces } = JSON.parse(manifest) as { workspaces: string[] };
  const isSource = (path: string) => basename(path) !== "dist";
  const top = await readdir(repository, { withFileTypes: true });
  const files = top.filter((entry) => entry.isFile()).map(({ name }) => name);
  for (const name of [...files, ...workspaces])
    await cp(join(repository, name), join(folder, name), { recursive: true, filter: isSource });

  const installed = join(repository, "node_modules");
  const links = join(folder, "node_modules");
  await mkdir(join(links, "@odin-ws"), { recursive: true });
  for (const name of await readdir(installed)) {
    if (name !== "@odin-ws" && !name.startsWith(".")) await symlink(join(installed, name), join(links, name));
  }
  for (const name of workspaces) await symlink(join(folder, name), join(links, "@odin-ws", name));
  return folder;
}
