/** Serves the demo page: a few static files, which are read and compressed once at the start. */

import { type Dirent, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, posix, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
/**
 * Nothing from other hosts, nothing inline, no eval. `'self'` in connect-src includes the WebSocket on the
 * same port.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");
const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
  Vary: "Accept-Encoding",
};
/** Names of files in this folder contain a hash of the content. */
const ASSETS = "/assets/";

interface File {
  type: string;
  cache: string;
  plain: Buffer;
  gzip: Buffer;
}

/**
 * Returns a handler that serves the files of a folder and of its subfolder `assets`, to GET and HEAD
 * requests; `/` is `index.html`. The handler returns false for all other requests.
 *
 * @throws Error when the folder cannot be read or has no index.html
 */
export function servePage(folder: string): (request: IncomingMessage, response: ServerResponse) => boolean {
  const files = readFiles(folder);
  const index = files.get("/index.html");
  if (index === undefined) throw new Error(`DEMO_PAGE ${folder} has no index.html`);
  files.set("/", index);
  return ({ url = "", method, headers }, response) => {
    const file = files.get(url.split("?")[0] as string);
    if (file === undefined || (method !== "GET" && method !== "HEAD")) return false;
    const zipped = /\bgzip\b/.test(String(headers["accept-encoding"] ?? ""));
    const body = zipped ? file.gzip : file.plain;
    response.writeHead(200, {
      ...HEADERS,
      ...(zipped ? { "Content-Encoding": "gzip" } : {}),
      "Cache-Control": file.cache,
      "Content-Type": file.type,
      "Content-Length": body.length,
    });
    response.end(method === "HEAD" ? undefined : body);
    return true;
  };
}

function readFiles(folder: string): Map<string, File> {
  const files = new Map<string, File>();
  for (const entry of entriesOf(folder)) {
    const type = TYPES[extname(entry.name)];
    const path = join(entry.parentPath, entry.name);
    const name = `/${relative(folder, path).replaceAll(sep, posix.sep)}`;
    if (!entry.isFile() || type === undefined || (name.lastIndexOf("/") > 0 && !name.startsWith(ASSETS)))
      continue;
    const plain = readFileSync(path);
    const cache = name.startsWith(ASSETS) ? "public, max-age=31536000, immutable" : "no-cache";
    files.set(name, { type, cache, plain, gzip: gzipSync(plain) });
  }
  return files;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true });
  } catch (error) {
    throw new Error(`DEMO_PAGE cannot be read: ${(error as Error).message}`);
  }
}
