/** What the README promises of `npm start` and `npm run publish`, seen in a browser. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { openPage, withoutBrowser } from "./harness/browser.ts";
import { get } from "./harness/http.ts";
import { startNats, withoutNats } from "./harness/nats.ts";
import type { Owner } from "./harness/owner.ts";
import { freePort } from "./harness/ports.ts";
import { ProcessGroup } from "./harness/process-group.ts";
import { eventually, within } from "./harness/wait.ts";

const START_MS = 60_000;

/** Runs a script of package.json as a person would. */
function npm(owner: Owner, args: readonly string[], env: Record<string, string>): ProcessGroup {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([, value]) => value !== undefined),
  );
  const script = new ProcessGroup("npm", args, { ...(inherited as Record<string, string>), ...env });
  owner.after(() => script.dispose());
  return script;
}

/** Ends it as npm's own Ctrl-C does: it must leave nothing, and without complaint. */
async function end(script: ProcessGroup): Promise<void> {
  script.signal("SIGINT");
  const { code } = await within("the end of a script", script.exited, START_MS);
  assert.equal(code, 0, script.output);
  assert.deepEqual(script.processes(), []);
}

async function start(
  owner: Owner,
  env: Record<string, string> = {},
): Promise<{ url: string; gateway: ProcessGroup }> {
  const [port, ops] = [await freePort(), await freePort()];
  const gateway = npm(owner, ["start"], { WS_PORT: String(port), OPS_PORT: String(ops), ...env });
  await eventually(
    "a healthy gateway",
    async () => {
      assert.equal(gateway.exit, undefined, gateway.output);
      return (await get(`http://127.0.0.1:${ops}/health`).catch(() => undefined))?.status === 200;
    },
    START_MS,
  );
  return { url: `http://127.0.0.1:${port}/`, gateway };
}

describe("demo page", { skip: withoutBrowser() || withoutNats(), timeout: 180_000 }, () => {
  test("npm start shows live prices, and a cut connection resumes", async (t) => {
    const { url, gateway } = await start(t, { SIMULATOR_RATE: "40" });
    const { page, errors } = await openPage(t, url);
    await page.waitForSelector("#tokens tr", { timeout: START_MS });
    assert.match((await page.textContent("#state")) ?? "", /live/i);
    const prices = () => page.locator("#tokens").innerText();
    const before = await prices();
    await eventually("prices that move", async () => (await prices()) !== before, START_MS);
    await page.click("#cut");
    await eventually(
      "a resume",
      async () => /recovered/i.test((await page.textContent("#resume")) ?? ""),
      START_MS,
    );
    await page.click("#skip");
    await eventually(
      "a repaired gap",
      async () => /^[1-9]\d* · [1-9]\d* · 0$/.test((await page.textContent("#gaps")) ?? ""),
      START_MS,
    );
    assert.deepEqual(errors, []);
    await end(gateway);
  });

  test("with NATS_URL it shows what npm run publish publishes", async (t) => {
    const nats = await startNats(t);
    const { url, gateway } = await start(t, { NATS_URL: nats.url });
    const { page, errors } = await openPage(t, url);
    await page.waitForSelector("#state");
    const publisher = npm(t, ["run", "publish", "--", "--rate", "30"], { NATS_URL: nats.url });
    await page.waitForSelector("#tokens tr", { timeout: START_MS });
    await page.waitForSelector("#feed li", { timeout: START_MS });
    assert.deepEqual(errors, []);
    await end(publisher);
    await end(gateway);
  });
});
