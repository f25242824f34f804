import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { servePage } from "./demo-page.ts";

function folder(t: TestContext, files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "odin-page-"));
  t.after(() => rmSync(path, { recursive: true }));
  mkdirSync(join(path, "sub.js"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** Requests a path exactly as written; fetch would normalize it. */
async function ask(t: TestContext, path: string) {
  const page = servePage(path);
  const server = createServer((one, response) => {
    if (!page(one, response)) response.writeHead(404).end("not mine");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return async (target: string, method = "GET") => {
    const [response] = await once(
      request({ port, host: "127.0.0.1", path: target, method, agent: false }).end(),
      "response",
    );
    const body = (await response.toArray()).join("");
    return {
      status: response.statusCode as number,
      headers: response.headers as Record<string, string>,
      body,
    };
  };
}

test("serves the files of its folder, with content type and security headers", async (t) => {
  const get = await ask(
    t,
    folder(t, { "index.html": "<h1>odin</h1>", "demo.js": "let a = '猫';", "demo.css": "a{}" }),
  );
  const index = await get("/");
  assert.deepEqual([index.status, index.body], [200, "<h1>odin</h1>"]);
  assert.match(index.headers["content-type"] ?? "", /^text\/html/);
  assert.match(index.headers["content-security-policy"] ?? "", /default-src 'none'/);
  assert.equal(index.headers["x-content-type-options"], "nosniff");
  assert.equal((await get("/index.html?x=1")).body, index.body);
  const script = await get("/demo.js");
  assert.deepEqual([script.status, script.body], [200, "let a = '猫';"]);
  assert.match(script.headers["content-type"] ?? "", /javascript/);
  assert.match((await get("/demo.css")).headers["content-type"] ?? "", /css/);
  const head = await get("/demo.js", "HEAD");
  assert.deepEqual([head.status, head.body, head.headers["content-length"]], [200, "", "14"]);
});

test("files with a hash in their name are cached forever, the page itself is revalidated", async (t) => {
  const path = folder(t, { "index.html": "x" });
  mkdirSync(join(path, "assets"));
  writeFileSync(join(path, "assets/index-Abc123.js"), "1");
  const get = await ask(t, path);
  const asset = await get("/assets/index-Abc123.js");
  assert.equal(asset.headers["cache-control"], "public, max-age=31536000, immutable");
  for (const target of ["/", "/index.html"])
    assert.equal((await get(target)).headers["cache-control"], "no-cache");
  const { headers } = asset;
  const policy = headers["content-security-policy"] ?? "";
  assert.doesNotMatch(policy, /unsafe-|\*|data:|blob:/);
  for (const rule of ["script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"])
    assert.ok(policy.split("; ").includes(rule), policy);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "no-referrer");
});

test("does not answer other requests", async (t) => {
  const get = await ask(t, folder(t, { "index.html": "x", ".env": "SECRET=1", "notes.txt": "private" }));
  const others = [
    "/nothing.html",
    "/.env",
    "/notes.txt",
    "/sub.js",
    "/../package.json",
    "/..%2f..%2fetc/passwd",
    "//index.html",
  ];
  for (const target of others) assert.equal((await get(target)).status, 404, target);
  assert.equal((await get("/", "POST")).status, 404);
});

test("a folder without a page stops the start", (t) => {
  assert.throws(() => servePage(folder(t, { "demo.js": "" })), /DEMO_PAGE .* has no index\.html/);
  assert.throws(() => servePage("/nowhere/at/all"), /DEMO_PAGE/);
});
