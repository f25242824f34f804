import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Folders that .gitignore excludes, and the folder of git. */
const LEFT_OUT = new Set([".git", "node_modules", "dist", "build", "coverage"]);
/** Lists that package managers write. */
const GENERATED = /(?:^|\/)(?:package-lock\.json|go\.(?:sum|mod))$/;

/** A text file of the repository. */
export interface TextFile {
  /** Relative to the root, with slashes. */
  path: string;
  text: string;
}

/** The text files below a folder that people write, sorted by their paths. */
export function textFiles(root: string, folder = ""): TextFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): TextFile[] => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : textFiles(root, path);
      if (!entry.isFile() || GENERATED.test(path) || /\.log$|^\.env$/.test(entry.name)) return [];
      const bytes = readFileSync(join(root, path));
      return bytes.includes(0) ? [] : [{ path, text: bytes.toString("utf8") }];
    });
}
