/**
 * Applications that bundle the library: the fallback to HTTP is a file of its own, which is loaded when
 * WebSockets fail.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { build } from "vite";
import { bundle } from "./build.ts";

const POLL = JSON.stringify({ epoch: "e", offset: 1, recovered: true, messages: [] });
/** In the code of the fallback. */
const ENDPOINT = /["'`]events["'`]/;
const APP = `
  import { connect } from "@odin-ws/client";
  const client = connect(globalThis.gatewayUrl, { environment: { random: () => 0 } });
  globalThis.opened = new Promise((resolve) => {
    client.on("status", ({ state, gateway }) => {
      if (state !== "open") return;
      client.close();
      resolve(gateway);
    });
  });`;

/** A folder with the library and an application. */
async function makeApp(t: TestContext): Promise<{ app: string; out: string }> {
  const folder = await mkdtemp(join(tmpdir(), "odin-bundlers-"));
  t.after(() => rm(folder, { recursive: true }));
  const library = join(folder, "node_modules/@odin-ws/client");
  await mkdir(library, { recursive: true });
  for (const entry of ["index", "fallback"] as const)
    await writeFile(join(library, `${entry}.js`), (await bundle(entry)).code);
  const manifest = { name: "@odin-ws/client", type: "module", sideEffects: false, exports: "./index.js" };
  await writeFile(join(library, "package.json"), JSON.stringify(manifest));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const app = join(folder, "app.js");
  await writeFile(app, APP);
  return { app, out: join(folder, "out") };
}

/** A server that breaks WebSockets and answers polls. */
async function startServer(t: TestContext): Promise<string> {
  const server = createServer((_, response) => response.end(POLL));
  server.on("upgrade", (_, socket) => socket.destroy());
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

const BUNDLERS: Record<string, (app: string, out: string) => Promise<unknown>> = {
  "esbuild with splitting": (app, out) =>
    esbuild.build({ entryPoints: [app], outdir: out, bundle: true, format: "esm", splitting: true }),
  "esbuild, one file": (app, out) =>
    esbuild.build({ entryPoints: [app], outdir: out, bundle: true, format: "esm" }),
  Vite: (app, out) =>
    build({
      root: join(app, ".."),
      configFile: false,
      logLevel: "warn",
      build: { outDir: out, rolldownOptions: { input: app, output: { entryFileNames: "app.js" } } },
    }),
};

for (const [name, run] of Object.entries(BUNDLERS)) {
  test(`${name}: the application falls back to HTTP`, async (t) => {
    const { app, out } = await makeApp(t);
    await run(app, out);
    const files = (await readdir(out, { recursive: true })).filter((file) => file.endsWith(".js"));
    const entry = await readFile(join(out, "app.js"), "utf8");
    if (name.includes("one file")) {
      assert.equal(files.length, 1);
      assert.match(entry, ENDPOINT);
    } else {
      assert.ok(files.length >= 2, `${files}`);
      assert.doesNotMatch(entry, ENDPOINT, "the fallback is in a file of its own");
    }
    const shared = globalThis as { gatewayUrl?: string; opened?: Promise<string> };
    shared.gatewayUrl = await startServer(t);
    await import(pathToFileURL(join(out, "app.js")).href);
    assert.equal(await shared.opened, "http");
  });
}
