/**
 * A fake cloud in one process: metadata server, Secret Manager, Cloud Storage, Cloud Monitoring and Compute
 * Engine. It also answers at the ports of containers that stand-ins run. It runs in the network namespace of
 * the machine under test: `node fake-cloud.ts FOLDER [PORT…]`. Each PORT belongs to a container that is a
 * real program, so the fake cloud does not listen there. FOLDER/cloud.json holds the state ({@link Cloud});
 * requests are appended to FOLDER/requests.
 */

import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cloud, Request } from "./cloud.ts";

const folder = process.argv[2] ?? "";
const SECRETS_PORT = 8001;
const STORAGE_PORT = 8002;
const MONITORING_PORT = 8003;
const COMPUTE_PORT = 8004;
/** Ports of containers, with the container that must run for an answer. */
const CONTAINER_PORTS: Record<number, string> = {
  3002: "odin-gateway",
  8222: "odin-nats",
  9090: "odin-prometheus",
  9093: "odin-alertmanager",
  3100: "odin-loki",
  3010: "odin-grafana",
  12345: "odin-log-shipper",
};
const METADATA = "/computeMetadata/v1/";
/** The metadata of the machine itself. */
const MACHINE: Record<string, string> = {
  "instance/name": "machine-under-test",
  "instance/id": "1234567890123456789",
  "instance/zone": "projects/42/zones/us-central1-a",
  "project/project-id": "test-project",
};

interface Answer {
  status: number;
  body?: string;
  headers?: Record<string, string>;
}

const cloud = () => JSON.parse(readFileSync(join(folder, "cloud.json"), "utf8")) as Cloud;
const etag = () => createHash("sha256").update(JSON.stringify(cloud().attributes)).digest("hex").slice(0, 16);
const spent = new Map<string, number>();

/** The wrong answer of a fault, if a fault matches the request and is not over. */
function faulty(where: string): Answer | undefined {
  for (const fault of cloud().faults) {
    if (!new RegExp(fault.at).test(where)) continue;
    const key = JSON.stringify(fault);
    const count = spent.get(key) ?? 0;
    if (count >= (fault.times ?? Number.POSITIVE_INFINITY)) continue;
    spent.set(key, count + 1);
    return { status: fault.status, body: fault.body ?? '{"error": {"message": "as the test wants it"}}' };
  }
  return undefined;
}

async function metadata({ pathname, searchParams }: URL, request: IncomingMessage): Promise<Answer> {
  if (request.headers["metadata-flavor"] !== "Google")
    return { status: 403, body: "Missing Metadata-Flavor" };
  const { attributes, token } = cloud();
  const path = pathname.slice(METADATA.length);
  const own = path === "instance/name" ? (cloud().name ?? MACHINE[path]) : MACHINE[path];
  if (own !== undefined) return { status: 200, body: own };
  if (path === "instance/service-accounts/default/token") {
    if (token === undefined) return { status: 404 };
    return {
      status: 200,
      body: JSON.stringify({ access_token: token, expires_in: 3599, token_type: "Bearer" }),
    };
  }
  if (path === "instance/attributes/") {
    if (searchParams.get("wait_for_change") === "true") {
      const end = Date.now() + Number(searchParams.get("timeout_sec")) * 1000;
      while (etag() === searchParams.get("last_etag") && Date.now() < end) await sleep(20);
    }
    const names = Object.keys(attributes).sort();
    const body =
      searchParams.get("recursive") === "true" ? JSON.stringify(attributes) : `${names.join("\n")}\n`;
    return { status: 200, body, headers: { ETag: etag() } };
  }
  const value = attributes[path.replace(/^instance\/attributes\//, "")];
  return value === undefined ? { status: 404 } : { status: 200, body: value };
}

function authorized(request: IncomingMessage): boolean {
  return request.headers.authorization === `Bearer ${cloud().token}`;
}

function secretManager({ pathname }: URL, request: IncomingMessage): Answer {
  if (!authorized(request)) return { status: 401, body: '{"error": {"message": "no valid token"}}' };
  const name = pathname.slice("/v1/".length).replace(/:access$/, "");
  const value = cloud().secrets[name];
  if (value === undefined)
    return { status: 404, body: '{\n "error": {\n  "message": "Secret not found"\n }\n}' };
  const payload = { data: Buffer.from(value).toString("base64"), dataCrc32c: "1" };
  return { status: 200, body: JSON.stringify({ name, payload }, undefined, 2) };
}

/** An object that VMs write, as its file has it. */
interface Written {
  generation: number;
  /** ms since 1970. */
  modified: number;
  body: string;
}

/** The object of the turn. As in the real storage, only one of several requests for a generation succeeds. */
async function sharedObject(file: string, request: IncomingMessage, sent: string): Promise<Answer> {
  const lock = `${file}.lock`;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      await sleep(2);
    }
  }
  try {
    const found = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Written) : undefined;
    const expected = request.headers["x-goog-if-generation-match"];
    if (request.method !== "GET" && Number(expected) !== (found?.generation ?? 0)) return { status: 412 };
    if (request.method === "DELETE") {
      rmSync(file);
      return { status: 204 };
    }
    if (request.method === "GET" && found === undefined) return { status: 404 };
    const object = request.method === "GET" && found ? found : newObject(sent);
    if (request.method === "PUT") writeFileSync(file, JSON.stringify(object));
    const headers = {
      "x-goog-generation": String(object.generation),
      "Last-Modified": new Date(object.modified).toUTCString(),
    };
    return { status: 200, body: request.method === "GET" ? object.body : "", headers };
  } finally {
    rmdirSync(lock);
  }
}

const newObject = (body: string): Written => ({
  generation: Number(process.hrtime.bigint() / 1000n),
  modified: Date.now(),
  body,
});

function storage({ pathname }: URL, request: IncomingMessage, sent: string): Answer | Promise<Answer> {
  if (!authorized(request)) return { status: 401 };
  const { shared } = cloud();
  if (shared !== undefined && pathname.endsWith("/turn"))
    return sharedObject(join(shared, "turn"), request, sent);
  const body = cloud().objects[pathname.slice(1)];
  return body === undefined ? { status: 404 } : { status: 200, body };
}

/** Compute Engine; like Google's, its JSON has many lines and spaces. */
function compute({ pathname }: URL, request: IncomingMessage): Answer {
  if (!authorized(request)) return { status: 401 };
  const group = /^\/compute\/v1\/(.*)\/listManagedInstances$/.exec(decodeURIComponent(pathname))?.[1] ?? "";
  const managedInstances = cloud().groups[group];
  if (managedInstances === undefined || request.method !== "POST") return { status: 404 };
  return { status: 200, body: JSON.stringify({ managedInstances }, undefined, 2) };
}

/**
 * A container of this machine is healthy while it runs. The other NATS servers are healthy unless a fault
 * matches.
 */
function container(port: number, request: IncomingMessage): Answer {
  const peer = /^nats-[23]:/.test(request.headers.host ?? "");
  const name = CONTAINER_PORTS[port] ?? "";
  if (!peer && !existsSync(join(folder, "running", name))) return { status: 503 };
  if (!request.url?.startsWith("/api/v2/alerts")) return { status: 200 };
  const [, severity] = /severity=(critical|warning)/.exec(request.url) ?? [];
  if (severity === "critical" || severity === "warning")
    return { status: 200, body: JSON.stringify(cloud()[severity]) };
  return { status: 200, body: '[{"labels":{"alertname":"Watchdog","severity":"info"},"fingerprint":"0f"}]' };
}

function listen(
  to: string,
  port: number,
  address: string,
  answer: (url: URL, request: IncomingMessage, sent: string) => Answer | Promise<Answer>,
) {
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const host = request.headers.host ?? "";
    const url = new URL(request.url ?? "/", "http://machine");
    const line: Request = {
      method: request.method ?? "",
      to,
      path: request.url ?? "",
      body: await text(request),
      authorization: request.headers.authorization ?? "",
      flavor: String(request.headers["metadata-flavor"] ?? ""),
    };
    appendFileSync(join(folder, "requests"), `${JSON.stringify(line)}\n`);
    const where = to === String(port) ? `${host}${request.url}` : `${to}${request.url}`;
    const { status, body = "", headers = {} } = faulty(where) ?? (await answer(url, request, line.body));
    if (status === 0) return; // no answer
    response.writeHead(status, headers).end(body);
  });
  return new Promise<void>((resolve) => server.listen({ port, host: address }, resolve));
}

const ports = process.argv.slice(3).map(Number); // ports of containers that are real programs
await Promise.all([
  listen("metadata", 80, "169.254.169.254", metadata),
  listen("secrets", SECRETS_PORT, "127.0.0.1", secretManager),
  listen("storage", STORAGE_PORT, "127.0.0.1", storage),
  listen("monitoring", MONITORING_PORT, "127.0.0.1", (_url, request) => ({
    status: authorized(request) ? 200 : 401,
    body: "{}",
  })),
  listen("compute", COMPUTE_PORT, "127.0.0.1", compute),
  ...Object.keys(CONTAINER_PORTS)
    .map(Number)
    .filter((port) => !ports.includes(port))
    .map((port) => listen(String(port), port, "0.0.0.0", (_url, request) => container(port, request))),
]);
writeFileSync(join(folder, "cloud-ready"), "");
