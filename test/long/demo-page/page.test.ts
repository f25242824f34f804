/** The promises of the README about `npm start` and `npm run publish`, tested in a browser. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { WebSocket } from "ws";
import * as format from "../../../client/demo/src/format.ts";
import { openPage, withoutBrowser } from "../../harness/browser.ts";
import { end, npm, PATIENCE_MS, ROW, startDemo } from "../../harness/demo.ts";
import { startNats, withoutNats } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";

/**
 * A token with enough trades that a short break misses some, and few enough that the list still shows the
 * trades before.
 */
const TOKEN = "DOT";

/** About a hundred of these messages fill the kernel's buffers (10 MB). */
const BULK = randomBytes(75_000).toString("base64");

interface Trade {
  side: "buy" | "sell";
  price: number;
  amount: number;
  value: number;
}

/** All trades of a token, oldest first and formatted like on the page, received on a separate connection. */
async function watchTrades(owner: Owner, url: string, symbol: string): Promise<string[]> {
  const trades: string[] = [];
  const socket = new WebSocket(url);
  owner.after(() => socket.terminate());
  socket.on("open", () => socket.send(JSON.stringify({ type: "subscribe", channels: [`${symbol}.trade`] })));
  const subscribed = Promise.withResolvers<void>();
  socket.on("message", (text) => {
    const message = JSON.parse(String(text)) as { type: string; channel?: string; ts: number; data: Trade };
    if (message.type === "subscription_ack") subscribed.resolve();
    if (message.channel === undefined) return;
    const { side, price, amount, value } = message.data;
    const name = side === "buy" ? "Buy" : "Sell";
    const cells = [format.time(message.ts), name, format.price(price), format.amount(amount)];
    trades.push([...cells, format.money(value)].join("|"));
  });
  await subscribed.promise;
  return trades;
}

/** The list of trades on the page, oldest first. Read in one call, because the list changes all the time. */
const shownTrades = (page: Page): Promise<string[]> =>
  page.evaluate(`
    [...document.querySelectorAll(".activity li")]
      .map((item) => [...item.children].map((cell) => cell.textContent).join("|"))
      .reverse()
  `);

const journal = (page: Page, wanted: RegExp) =>
  page.locator(".journal li", { hasText: wanted }).first().waitFor({ timeout: PATIENCE_MS });

/**
 * Asserts that the page shows every trade between the first and the last one on the page, once and in order.
 */
async function assertNoGap(page: Page, trades: readonly string[]): Promise<string[]> {
  const shown = await shownTrades(page);
  assert.ok(shown.length > 0, "no trade is shown");
  const last = shown.at(-1) as string;
  await eventually(
    () => `the last trade on the page, ${last}, among ${trades.slice(-3).join(" ")}`,
    () => trades.includes(last),
  );
  const to = trades.lastIndexOf(last) + 1;
  assert.deepEqual(shown.slice(-to), trades.slice(Math.max(0, to - shown.length), to));
  return shown;
}

describe("demo page", { skip: withoutBrowser(), timeout: 180_000 }, () => {
  test("npm start shows live prices, and recovers from a cut connection and from slow reading without a gap", async (t) => {
    const { url, ws, script, metrics } = await startDemo(t, { SIMULATOR_RATE: "600" });
    const trades = await watchTrades(t, ws, TOKEN);
    const { page, errors } = await openPage(t, `${url}#/token/${TOKEN}`);
    await page.waitForSelector(ROW, { timeout: PATIENCE_MS });
    assert.equal(await page.getByRole("status").innerText(), "Live");
    const quote = page.locator(".quote b");
    await quote.filter({ hasText: /^\$[\d,.]+$/ }).waitFor({ timeout: PATIENCE_MS });
    const before = await quote.innerText();
    await eventually("a price that moves", async () => (await quote.innerText()) !== before, PATIENCE_MS);
    await eventually("some trades", async () => (await shownTrades(page)).length >= 5, PATIENCE_MS);
    await page.locator(".chart canvas").first().waitFor();
    const compact = (await metrics()).sum("ws_bytes_sent_total", { encoding: "compact" });
    assert.ok(compact > 10_000, `the page gets the compact encoding: ${compact} bytes`);

    // All trades of the break must follow the last trade before the cut.
    const edge = (await shownTrades(page)).at(-1) as string;
    await page.getByRole("button", { name: "Disconnect" }).click();
    await journal(page, /^.*Back on /);
    await journal(page, /Caught up on [1-9][\d,]* messages?, nothing lost/);
    await eventually("a newer trade", async () => (await shownTrades(page)).at(-1) !== edge, PATIENCE_MS);
    const after = await assertNoGap(page, trades);
    assert.ok(after.includes(edge), `the list no longer has ${edge}:\n${after.join("\n")}`);

    const slow = page.getByRole("button", { name: "Read slowly" });
    await slow.click();
    await page.getByText(/^[2-9]\.\d s$/).waitFor({ timeout: PATIENCE_MS }); // the age of the data
    await page.getByText("Behind", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await slow.click();
    await page.getByText("Live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await page
      .getByText(/^(<1|\d+) ms$/)
      .nth(1)
      .waitFor({ timeout: PATIENCE_MS });
    await assertNoGap(page, trades);
    assert.deepEqual(errors, []);
    await end(script);
    await page.getByText("No connection.").or(page.getByText("The connection is lost.")).waitFor();
    assert.ok(await page.getByRole("button", { name: "Try now" }).isVisible());
  });

  test("a throttled page shows the throttling, and later gets the dropped messages", {
    skip: withoutNats(),
  }, async (t) => {
    const nats = await startNats(t);
    const { url, script, metrics } = await startDemo(t, {
      NATS_URL: nats.url,
      WS_MAX_NATS_RATE: "0",
      WS_MAX_BROADCAST_RATE: "0",
      WS_THROTTLE_RECOVERY_SECONDS: "1",
    });
    const { page, errors } = await openPage(t, `${url}#/token/BULK`);
    await page.getByText("Live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    // Repeated, because the page gets nothing before it has subscribed.
    await eventually("a first row", async () => {
      await nats.publish("odin.token.BULK.trade", { price: 1, volume24h: 9 });
      return (await page.locator(ROW).count()) === 1;
    });
    await page.getByRole("button", { name: "Read slowly" }).click();
    const throttled = async () => (await metrics()).sum("ws_throttle_transitions_total", {}) > 0;
    let pool = 0;
    while (!(await throttled())) {
      assert.ok(pool < 1_000, "the gateway does not throttle, because the kernel buffers everything");
      await nats.publish("odin.token.BULK.liquidity", { liquidity: ++pool, delta: 1, BULK });
    }
    await page.getByRole("button", { name: "Read slowly" }).click();
    await page.getByText("Throttled", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await journal(page, /Throttle level 0: the gateway sends everything again/);
    await page.getByText("Live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    await page.getByRole("tab", { name: "Liquidity" }).click();
    // The newest first, without a gap.
    const expected = Array.from({ length: 50 }, (_, n) => `pool ${format.money(pool - n)}`);
    await eventually(
      "all dropped messages",
      async () => {
        const shown = await page.locator(".activity .amount").allTextContents();
        return shown.length > 0 && shown.every((text, n) => text === expected[n]);
      },
      PATIENCE_MS,
    );
    assert.deepEqual(errors, []);
    await end(script);
  });

  test("with NATS_URL the page shows the events of npm run publish", { skip: withoutNats() }, async (t) => {
    const nats = await startNats(t);
    const { url, script } = await startDemo(t, { NATS_URL: nats.url });
    const { page, errors } = await openPage(t, url);
    await page.getByText("Live", { exact: true }).waitFor({ timeout: PATIENCE_MS });
    assert.equal(await page.locator(ROW).count(), 0);
    const publisher = npm(t, ["run", "publish", "--", "--rate", "30"], { NATS_URL: nats.url });
    await page.waitForSelector(ROW, { timeout: PATIENCE_MS });
    await page.waitForSelector(".activity li", { timeout: PATIENCE_MS });
    assert.deepEqual(errors, []);
    await end(publisher);
    await end(script);
  });
});
