/** The code of the READMEs, run in a browser against a gateway. */

import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { openPage, withoutBrowser } from "../harness/browser.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const README = join(ROOT, "client/README.md");
const ADDRESS = "ws://localhost:3004/ws";

/** The first block of code in this language. */
async function block(language: string, file = README): Promise<string> {
  const [, code] =
    (await readFile(file, "utf8")).match(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s")) ?? [];
  if (code === undefined) throw new Error(`${file} has no code block in ${language}`);
  return code;
}

/** Serves a page with this script, replaces the README's address by the gateway's, and opens the page. */
async function open(t: TestContext, html: string, script: string, name: string) {
  assert.ok(script.includes(ADDRESS), `the README's code must connect to ${ADDRESS}`);
  const folder = await mkdtemp(join(tmpdir(), "odin-readme-"));
  t.after(() => rm(folder, { recursive: true }));
  const nats = await startNats(t);
  const port = await freePort();
  await esbuild.build({
    stdin: {
      contents: script.replaceAll(ADDRESS, `ws://127.0.0.1:${port}/ws`),
      resolveDir: join(ROOT, "client"),
      loader: "tsx",
    },
    outfile: join(folder, name),
    bundle: true,
    format: "esm",
    jsx: "automatic",
    logLevel: "error",
  });
  const head = '<meta charset="utf-8"><title>README</title><link rel="icon" href="icon.svg">';
  await writeFile(join(folder, "icon.svg"), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(join(folder, "index.html"), `<!doctype html>${head}${html}`);
  const env = { WS_PORT: String(port), DEMO_PAGE: folder };
  const gateway = await startGateway(t, { nats, env });
  const { page, errors } = await openPage(t, `http://127.0.0.1:${port}/`);
  const connections = async () => (await gateway.stats()).connections;
  const subscriptions = async () => (await gateway.stats()).subscriptions;
  return { nats, gateway, page, errors, connections, subscriptions };
}

describe("the READMEs", { skip: withoutNats() || withoutBrowser() }, () => {
  test("the plain page of the client's README shows prices and the state", async (t) => {
    const { nats, page, errors, subscriptions } = await open(
      t,
      await block("html"),
      await block("js"),
      "price.js",
    );
    await eventually("subscriptions", async () => (await subscriptions()) === 3);
    assert.equal(await page.textContent("#state"), "open");
    await nats.publish("odin.token.BTC.trade", { price: 64_000.5 });
    await eventually("a price", async () => (await page.textContent("#price")) === "64000.5");
    assert.deepEqual(errors, []);
  });

  test("the page of the repository's README does the same, in ten lines", async (t) => {
    const html = await block("html", join(ROOT, "README.md"));
    assert.ok(html.trim().split("\n").length <= 10);
    const [, script = ""] = /<script type="module">([\s\S]*)<\/script>/.exec(html) ?? [];
    const { nats, page, errors, subscriptions } = await open(
      t,
      html.replace(/<script[\s\S]*<\/script>/, '<script type="module" src="page.js"></script>'),
      script.replace("./odin-ws.js", "@odin-ws/client"),
      "page.js",
    );
    await eventually("a subscription", async () => (await subscriptions()) === 1);
    await nats.publish("odin.token.BTC.trade", { price: 64_000.5 });
    await eventually("a price", async () => (await page.textContent("#price")) === "64000.5");
    assert.equal(await page.textContent("#state"), "open");
    assert.deepEqual(errors, []);
  });

  test("the React components do the same in strict mode, with one connection and one subscription", async (t) => {
    const mount = `
      import { StrictMode } from "react";
      import { createRoot } from "react-dom/client";
      createRoot(document.getElementById("root")!).render(<StrictMode><App /></StrictMode>);`;
    const { nats, gateway, page, errors, connections, subscriptions } = await open(
      t,
      '<div id="root"></div><script type="module" src="app.js"></script>',
      (await block("tsx")) + mount,
      "app.js",
    );
    await eventually("a subscription", async () => (await subscriptions()) === 1);
    assert.equal(await connections(), 1);
    await nats.publish("odin.token.BTC.trade", { price: 64_000.5 });
    await eventually("a price", async () => (await page.textContent("#root")) === "BTC 64000.5 open");
    const opened = (await gateway.metrics()).sum("ws_messages_received_total", { type: "subscribe" });
    assert.equal(opened, 1, "the client sent one subscribe");
    assert.deepEqual(errors, []);
  });
});
