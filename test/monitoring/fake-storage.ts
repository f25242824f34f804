/**
 * Cloud Storage as Loki uses it, and the metadata server that gives Loki its token. A request without the
 * token is refused, as the real service refuses it.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Owner } from "../harness/owner.ts";

const TOKEN = "ya29.token-of-the-monitoring-vm";
const TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token";

export interface FakeStorage {
  /** Contents by name, of one bucket. */
  objects: Map<string, Buffer>;
  /** Variables with which Google's client libraries use this server. */
  env: Record<string, string>;
  /** Requests that this server does not know. */
  unknown: string[];
  /** True: every request to the bucket is answered with 503. */
  isDown: boolean;
}

interface Answer {
  status: number;
  body?: Buffer | string | object;
  headers?: Record<string, string>;
}

/** Starts a server with one empty bucket. */
export async function startFakeStorage(owner: Owner, bucket: string): Promise<FakeStorage> {
  const storage: FakeStorage = { objects: new Map(), env: {}, unknown: [], isDown: false };
  const server = createServer(async (request, response) => {
    const sent = await buffer(request);
    reply(response, answerTo(storage, bucket, request, sent));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  storage.env = { STORAGE_EMULATOR_HOST: `http://${host}`, GCE_METADATA_HOST: host };
  return storage;
}

function reply(response: ServerResponse, { status, body = "", headers = {} }: Answer): void {
  const isJson = typeof body === "object" && !Buffer.isBuffer(body);
  response.writeHead(status, { ...(isJson ? { "Content-Type": "application/json" } : {}), ...headers });
  response.end(isJson ? JSON.stringify(body) : body);
}

function answerTo(storage: FakeStorage, bucket: string, request: IncomingMessage, sent: Buffer): Answer {
  const { method = "GET", url = "/", headers } = request;
  const { pathname, searchParams } = new URL(url, "http://storage");
  if (pathname.startsWith("/computeMetadata/")) {
    if (headers["metadata-flavor"] !== "Google") return { status: 403 };
    if (pathname !== TOKEN_PATH) return { status: 404 };
    return { status: 200, body: { access_token: TOKEN, expires_in: 3599, token_type: "Bearer" } };
  }
  if (headers.authorization !== `Bearer ${TOKEN}`) return failure(401);
  if (storage.isDown) return failure(503);
  const json = `/storage/v1/b/${bucket}/o`;
  if (method === "POST" && pathname === `/upload${json}`) {
    const name = searchParams.get("name") ?? "";
    storage.objects.set(name, media(sent, headers["content-type"] ?? ""));
    return { status: 200, body: resource(storage, bucket, name) };
  }
  if (method === "GET" && pathname === json)
    return { status: 200, body: list(storage, bucket, searchParams) };
  const isRead = method === "GET" && pathname.startsWith(`/${bucket}/`);
  const prefix = isRead ? `/${bucket}/` : `${json}/`;
  if (!pathname.startsWith(prefix) || (method !== "GET" && method !== "DELETE")) {
    storage.unknown.push(`${method} ${url}`);
    return failure(501);
  }
  const name = decodeURIComponent(pathname.slice(prefix.length));
  const content = storage.objects.get(name);
  if (content === undefined) return failure(404);
  if (method === "DELETE") {
    storage.objects.delete(name);
    return { status: 204 };
  }
  if (!isRead && searchParams.get("alt") !== "media")
    return { status: 200, body: resource(storage, bucket, name) };
  return part(content, headers.range);
}

const failure = (code: number): Answer => ({
  status: code,
  body: { error: { code, message: `as the test wants it: ${code}` } },
});

/** The second part of a body `multipart/related`; the first part describes the object. */
function media(body: Buffer, contentType: string): Buffer {
  const [, boundary = ""] = /boundary="?([^";]+)/.exec(contentType) ?? [];
  const starts: number[] = [];
  for (let at = body.indexOf(`--${boundary}`); at >= 0; at = body.indexOf(`\r\n--${boundary}`, at + 1))
    starts.push(at);
  const [, second = 0, end = 0] = starts;
  const start = body.indexOf("\r\n\r\n", second + 2) + 4;
  return Buffer.from(body.subarray(start, end));
}

function resource({ objects }: FakeStorage, bucket: string, name: string): object {
  return {
    kind: "storage#object",
    bucket,
    name,
    size: String(objects.get(name)?.length ?? 0),
    generation: "1",
    metageneration: "1",
    updated: new Date().toISOString(),
  };
}

/** Objects below a prefix; with a delimiter, only those that are not in a folder, and the folders. */
function list(storage: FakeStorage, bucket: string, query: URLSearchParams): object {
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
  const items: object[] = [];
  const prefixes = new Set<string>();
  for (const name of [...storage.objects.keys()].filter((key) => key.startsWith(prefix)).sort()) {
    const end = delimiter === "" ? -1 : name.indexOf(delimiter, prefix.length);
    if (end < 0) items.push(resource(storage, bucket, name));
    else prefixes.add(name.slice(0, end + delimiter.length));
  }
  return { kind: "storage#objects", items, prefixes: [...prefixes] };
}

/** The bytes of an object that a header `Range` asks for. */
function part(content: Buffer, range: string | undefined): Answer {
  const headers = {
    "Content-Type": "application/octet-stream",
    "Last-Modified": new Date().toUTCString(),
    "X-Goog-Generation": "1",
    "X-Goog-Metageneration": "1",
  };
  const [, from = "", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (from === "") return { status: 200, body: content, headers };
  const last = Math.min(to === "" ? content.length - 1 : Number(to), content.length - 1);
  const position = `bytes ${from}-${last}/${content.length}`;
  return {
    status: 206,
    body: content.subarray(Number(from), last + 1),
    headers: { ...headers, "Content-Range": position },
  };
}
