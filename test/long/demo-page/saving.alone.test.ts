/**
 * What the demo page shows of the limit of messages. Rates are compared with each other, so other tests must
 * not take the CPU of the page and the gateway in between.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { openPage, withoutBrowser } from "../../harness/browser.ts";
import { PATIENCE_MS, startDemo } from "../../harness/demo.ts";
import { suiteOwner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";

const EVEN_SECONDS = 3;

describe("the limit of messages on the demo page", { skip: withoutBrowser(), timeout: 120_000 }, () => {
  const owner = suiteOwner();

  test("the button All messages shows what the limit of 4 messages a second of each channel saves", async () => {
    const { url } = await startDemo(owner, {
      SIMULATOR_RATE: "2000",
      WS_MAX_NATS_RATE: "0",
      WS_MAX_BROADCAST_RATE: "0",
    });
    const { page, errors } = await openPage(owner, url);
    const figure = page.locator(".connection .figures div", { hasText: "Messages/s" }).locator("dd");
    const read = async () => Number((await figure.innerText()).replace(",", ""));
    const button = page.getByRole("button", { name: "All messages" });
    const note = async (wanted: RegExp) => {
      const line = page.locator(".journal li", { hasText: wanted }).first();
      return Number(wanted.exec(await line.innerText({ timeout: PATIENCE_MS }))?.[1]?.replace(",", ""));
    };
    // Right after the start, the page gets the last values of all tokens, so the rate must be even for some
    // seconds.
    let limited = 0;
    let even = 0;
    await eventually(
      () => `an even rate, but ${limited}`,
      async () => {
        const before = limited;
        await page.waitForTimeout(1_100);
        limited = await read();
        even = limited > 100 && Math.abs(limited - before) < limited / 10 ? even + 1 : 0;
        return even >= EVEN_SECONDS;
      },
      PATIENCE_MS,
    );
    await button.click();
    const before = await note(/All messages, not only 4 a second of each channel .*: ([\d,]+) messages/);
    assert.ok(Math.abs(before - limited) <= limited / 5, `the page notes ${before}, and showed ${limited}`);
    assert.equal(await button.getAttribute("aria-pressed"), "true");
    let all = 0;
    await eventually(
      () => `more than ${limited} messages a second, but ${all}`,
      async () => {
        all = await read();
        return all > limited * 1.25;
      },
      PATIENCE_MS,
    );
    await button.click();
    const unlimited = await note(/At most 4 messages a second of each channel again .*: ([\d,]+) messages/);
    assert.ok(unlimited > limited * 1.15, `the page notes ${unlimited} after ${limited}`);
    assert.equal(await button.getAttribute("aria-pressed"), "false");
    await eventually("the rate before", async () => (await read()) < limited * 1.15, PATIENCE_MS);
    assert.deepEqual(errors, []);
  });
});
