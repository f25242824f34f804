import { createHash } from "node:crypto";

/** Name of the object that lists a bucket's files. */
export const MANIFEST = "manifest";

/**
 * Content of the manifest: one line per file in the format of sha256sum, `<sha256 in hex>  <path>`, sorted by
 * path.
 */
export function manifest(files: Record<string, string>): string {
  return Object.entries(files)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, content]) => `${createHash("sha256").update(content).digest("hex")}  ${path}\n`)
    .join("");
}
