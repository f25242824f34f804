/** Paths, links and the map of folders in the documents, against the repository. */

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...globSync("docs/*.md", { cwd: ROOT })];
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const withoutBlocks = (text: string) => text.replaceAll(/^```[\s\S]*?^```/gm, "");
const folders = new Set(globSync("*", { cwd: ROOT }));
/** Folders that programs write. */
const MADE = /^(?:[\w-]+\/)?(?:build|dist|node_modules)\//;

// The changelog also names paths of earlier versions.
for (const document of DOCUMENTS.filter((path) => path !== "CHANGELOG.md"))
  test(`${document} names files and folders that exist`, () => {
    const text = withoutBlocks(read(document));
    // A path begins with a folder of the repository. A code span with … or * is a pattern and not a path.
    const paths = [...text.matchAll(/`([\w.@-]+(?:\/[\w.-]*)+)`/g)].flatMap(([, path = ""]) =>
      folders.has(path.split("/")[0] ?? "") && !MADE.test(path) ? [path] : [],
    );
    for (const path of paths) assert.ok(existsSync(join(ROOT, path)), `${path} does not exist`);
  });

for (const document of DOCUMENTS)
  test(`${document} has links that lead somewhere`, () => {
    const text = withoutBlocks(read(document));
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const path = file === "" ? document : join(dirname(document), file);
      assert.ok(existsSync(join(ROOT, path)), `${target}: ${path} does not exist`);
      if (anchor !== undefined) assert.ok(anchors(read(path)).has(anchor), `${target}: no such section`);
    }
  });

test("the map of the architecture names every package and every folder with sources", () => {
  const map = read("docs/architecture.md");
  const rows = (title: string) =>
    [...(map.split(`## ${title}\n`)[1]?.split(/^#/m)[0] ?? "").matchAll(/^\| `([^`]+)\/` \|/gm)].map(
      ([, folder]) => folder,
    );
  const { workspaces } = JSON.parse(read("package.json")) as { workspaces: string[] };
  assert.deepEqual(rows("Packages").toSorted(), workspaces.toSorted());
  const exclude = ["**/node_modules/**", "**/dist/**", "**/build/**", "client/demo/*/**"];
  const sources = globSync(
    workspaces.flatMap((folder) => [`${folder}/**/*.ts`, `${folder}/**/*.sh`, `${folder}/**/go.mod`]),
    { cwd: ROOT, exclude },
  );
  const isRoom = (folder: string) =>
    folder.includes("/") && !/^(?:protocol|publisher|loadtest)\/src$/.test(folder);
  const rooms = new Set(sources.map((file) => roomOf(dirname(file))).filter(isRoom));
  assert.deepEqual(rows("Folders").toSorted(), [...rooms].toSorted());
});

/** Folders below a room belong to the room. */
function roomOf(folder: string): string {
  const parts = folder.split("/");
  return parts.slice(0, parts[1] === "src" ? 3 : 2).join("/");
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const headings = [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}
