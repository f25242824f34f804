/** Serves the demo page: a few static files, read once at the start. */

import { type Dirent, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};

/** A handler for GET requests of the files in a folder; `/` is `index.html`. Returns false when the request is not for one of them. */
export function servePage(folder: string): (request: IncomingMessage, response: ServerResponse) => boolean {
  const files = new Map<string, { type: string; body: Buffer }>();
  for (const entry of entriesOf(folder)) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    files.set(`/${entry.name}`, { type, body: readFileSync(join(folder, entry.name)) });
  }
  const index = files.get("/index.html");
  if (index === undefined) throw new Error(`DEMO_PAGE ${folder} has no index.html`);
  files.set("/", index);
  return (request, response) => {
    const file = files.get((request.url ?? "").split("?")[0] as string);
    if (file === undefined || (request.method !== "GET" && request.method !== "HEAD")) return false;
    response.writeHead(200, { ...HEADERS, "Content-Type": file.type, "Content-Length": file.body.length });
    response.end(request.method === "HEAD" ? undefined : file.body);
    return true;
  };
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new Error(`DEMO_PAGE cannot be read: ${(error as Error).message}`);
  }
}
