/** The built files of the client, as a page without a bundler loads them. */

import { strict as assert } from "node:assert";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { connect } from "@odin-ws/client";
import { bundle } from "../../client/build.ts";
import { startBrowser, withoutBrowser } from "../harness/browser.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";
import { startHttpProxy } from "./http-proxy.ts";

/** Of a page that loads scripts only from its own server. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src http: ws:";

/** What the page or the program collects. */
interface Seen {
  gateway: string | undefined;
  messages: number;
}

describe("the built files", { concurrency: true }, () => {
  const owner = suiteOwner();
  const scripts = new Map<string, string>();
  let gateway: Gateway;

  before(async () => {
    gateway = await startGateway(owner);
    for (const entry of ["index", "fallback"] as const)
      scripts.set(`${entry}.js`, (await bundle(entry)).code);
  });

  /** Loads `index.js` from a folder with these files. */
  async function load(t: TestContext, names: readonly string[]) {
    const folder = await mkdtemp(join(tmpdir(), "odin-files-"));
    t.after(() => rm(folder, { recursive: true }));
    for (const name of names) await writeFile(join(folder, name), scripts.get(name) ?? "");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    return (await import(pathToFileURL(join(folder, "index.js")).href)) as { connect: typeof connect };
  }

  function start(t: TestContext, library: { connect: typeof connect }, url: string): Seen {
    const seen: Seen = { gateway: undefined, messages: 0 };
    const client = library.connect(url, { environment: { random: () => 0 } });
    t.after(() => client.close());
    client.subscribe("*.trade", () => seen.messages++);
    client.on("status", ({ state, gateway: name }) => {
      if (state === "open") seen.gateway = name;
    });
    return seen;
  }

  test("index.js loads fallback.js from the same folder", async (t) => {
    const proxy = await startHttpProxy(t, gateway);
    const seen = start(t, await load(t, ["index.js", "fallback.js"]), proxy.url);
    await eventually("messages", () => seen.messages > 20, 10_000);
    assert.equal(seen.gateway, "http");
  });

  test("without fallback.js, index.js reconnects over WebSocket", async (t) => {
    const proxy = await startHttpProxy(t, gateway);
    const seen = start(t, await load(t, ["index.js"]), proxy.url);
    await eventually("attempts", () => proxy.count.upgrades >= 2, 10_000);
    proxy.upgrades = "pass";
    await eventually("messages", () => seen.messages > 20, 10_000);
    assert.notEqual(seen.gateway, "http");
    assert.equal(proxy.count.polls, 0);
  });

  test("in Chromium a page receives server-sent events, and returns to the WebSocket", {
    skip: withoutBrowser(),
  }, async (t) => {
    const proxy = await startHttpProxy(t, gateway);
    const main = `
      import { connect } from "./index.js";
      import { fallback } from "./fallback.js";
      const seen = (globalThis.seen = { gateway: undefined, messages: 0, refetches: 0 });
      const byItself = location.hash === "";
      const client = connect(${JSON.stringify(proxy.url)}, {
        environment: { random: () => 0 },
        ...(!byItself && { fallback: fallback({ returnAfterMs: 1000 }) }),
      });
      client.subscribe("*.trade", () => seen.messages++);
      client.on("refetch", () => seen.refetches++);
      client.on("status", ({ state, gateway }) => { if (state === "open") seen.gateway = gateway; });`;
    const server = createServer(({ url = "" }, response) => {
      const script = url === "/main.js" ? main : scripts.get(url.slice(1));
      response.setHeader("Content-Security-Policy", POLICY);
      response.setHeader("Content-Type", script === undefined ? "text/html" : "text/javascript");
      response.end(script ?? '<!doctype html><script type="module" src="main.js"></script>');
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const open = await startBrowser(t);
    const look = async (tab: Awaited<ReturnType<typeof open>>["page"]) =>
      (await tab.evaluate("globalThis.seen")) as Seen & { refetches: number };
    const { page: alone, errors } = await open(`http://127.0.0.1:${port}/`);
    await eventually(
      () => `messages ${errors}`,
      async () => (await look(alone)).messages > 20,
      20_000,
    );
    assert.equal((await look(alone)).gateway, "http");
    await eventually("a stream", () => proxy.count.streams === 1);
    await alone.close();
    const { page } = await open(`http://127.0.0.1:${port}/#options`);
    await eventually("messages", async () => (await look(page)).messages > 20, 20_000);
    assert.equal((await look(page)).gateway, "http");
    proxy.upgrades = "pass";
    await eventually("a WebSocket", async () => (await look(page)).gateway !== "http", 20_000);
    const { messages } = await look(page);
    await eventually("more messages", async () => (await look(page)).messages > messages + 20, 20_000);
    assert.equal((await look(page)).refetches, 0);
  });
});
