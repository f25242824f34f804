/** The view of the demo page: themes, sizes, keyboard, screen readers, long lists. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { type PageOptions, startBrowser, withoutBrowser } from "../../harness/browser.ts";
import { type Demo, PATIENCE_MS, ROW, startDemo } from "../../harness/demo.ts";
import { suiteOwner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";

const AXE = fileURLToPath(import.meta.resolve("axe-core/axe.min.js"));
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** The violations that axe-core finds, one line each. */
const violations = (page: Page): Promise<string[]> =>
  page.evaluate(`axe.run().then((found) => found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html + " " + failureSummary)))`);

/** Texts of one column of the rendered rows, from the top. */
const column = (page: Page, name: string): Promise<string[]> =>
  page.locator(`${ROW} ${name}`).allTextContents();

/** aria-rowindex of the rendered rows. */
const indices = (page: Page): Promise<number[]> =>
  page.evaluate(`[...document.querySelectorAll("${ROW}")].map((row) => Number(row.ariaRowIndex))`);

/** aria-rowindex of the row with the focus; 0 when no row has it. */
const focusedRow = (page: Page): Promise<number> =>
  page.evaluate(`Number(document.activeElement?.closest("[aria-rowindex]")?.ariaRowIndex ?? 0)`);

/** Number of running CSS animations. */
const moving = (page: Page): Promise<number> =>
  page.evaluate(`document.getAnimations().filter((one) => one instanceof CSSAnimation).length`);

describe("view of the demo page", { skip: withoutBrowser(), timeout: 120_000 }, () => {
  const owner = suiteOwner();
  let started: Promise<[Demo, Awaited<ReturnType<typeof startBrowser>>]> | undefined;
  const open = async (options: PageOptions = {}) => {
    started ??= Promise.all([startDemo(owner, { SIMULATOR_RATE: "200" }), startBrowser(owner)]);
    const [{ url }, openIn] = await started;
    const { page, errors } = await openIn(url, { viewport: DESKTOP, ...options });
    await page.locator("[aria-rowcount='101']").waitFor({ timeout: PATIENCE_MS });
    return { page, errors };
  };
  const close = async (page: Page, errors: readonly string[]) => {
    assert.deepEqual(errors, []);
    await page.context().close();
  };

  test("axe-core finds no violation in any view, theme and size, and the page is never too wide", async () => {
    // Without animations, because axe-core must not check colours during a transition.
    const { page, errors } = await open({ reducedMotion: "reduce", scripts: [AXE] });
    for (const viewport of [DESKTOP, PHONE, { width: 320, height: 640 }]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-theme='${colorScheme}']`).waitFor();
        for (const view of ["#/", "#/token/BTC", "#/connection"]) {
          await page.evaluate(`location.hash = "${view}"`);
          await page.locator(`.app[data-view='${view.split("/")[1] || "market"}']`).waitFor();
          const where = `${view} ${colorScheme} ${viewport.width} px`;
          assert.deepEqual(await violations(page), [], where);
          const width = await page.evaluate<number>("document.documentElement.scrollWidth");
          assert.ok(width <= viewport.width, `${where} is ${width} px wide`);
        }
      }
    }
    await close(page, errors);
  });

  test("the theme follows the system until the user chooses one, and the choice is stored", async () => {
    const { page, errors } = await open({ colorScheme: "dark" });
    const background = () => page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    const dark = await background();
    await page.emulateMedia({ colorScheme: "light" });
    await eventually("a light background", async () => (await background()) !== dark);
    const light = await background();
    await page.getByRole("button", { name: "Use the dark theme" }).click();
    await eventually("a dark background", async () => (await background()) === dark);
    await page.reload();
    await page.getByRole("button", { name: "Use the light theme" }).click();
    await eventually("a light background again", async () => (await background()) === light);
    await close(page, errors);
  });

  test("a phone shows one view at a time, a desktop shows all", async () => {
    const { page, errors } = await open({ viewport: PHONE });
    const shown = async () => {
      const parts = [".market", ".token-view", ".connection", ".tabs"];
      const visible = await Promise.all(parts.map((part) => page.locator(part).isVisible()));
      return parts.filter((_, n) => visible[n]);
    };
    assert.deepEqual(await shown(), [".market", ".tabs"]);
    await page.locator(ROW).first().click();
    await page.locator(".token-view").waitFor();
    assert.deepEqual(await shown(), [".token-view", ".tabs"]);
    await page.getByRole("link", { name: "Back to the market" }).click();
    await page.getByRole("link", { name: "Connection" }).click();
    await page.locator(".connection").waitFor();
    assert.deepEqual(await shown(), [".connection", ".tabs"]);
    await page.setViewportSize(DESKTOP);
    assert.deepEqual(await shown(), [".market", ".token-view", ".connection"]);
    await close(page, errors);
  });

  test("the keyboard reaches the search, the rows and the link back", async () => {
    const { page, errors } = await open({ viewport: PHONE });
    const tabTo = (name: string) =>
      eventually(`the focus on ${name}`, async () => {
        await page.keyboard.press("Tab");
        return page.evaluate<boolean>(`document.activeElement.matches("${name}")`);
      });
    await tabTo("input[type='search']");
    await tabTo("th.token button");
    // Sorted by name, because the ranks change with the market.
    await page.keyboard.press("Enter");
    await page.locator("th.token[aria-sort='ascending']").waitFor();
    await tabTo("#tokens a");
    assert.equal(
      await page.evaluate("getComputedStyle(document.activeElement, '::before').outlineStyle"),
      "solid",
    );
    const steps = [
      ["End", 101],
      ["Home", 2],
      ["ArrowDown", 3],
    ] as const;
    for (const [key, row] of steps) {
      await page.keyboard.press(key);
      await eventually(`row ${row} after ${key}`, async () => (await focusedRow(page)) === row);
    }
    const name = await page.evaluate<string>("document.activeElement.dataset.symbol");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name, exact: true }).waitFor();
    await eventually("the focus on the link back", () =>
      page.evaluate<boolean>("document.activeElement.matches('.back')"),
    );
    await page.keyboard.press("Escape");
    await page.locator(".app[data-view='market']").waitFor();
    await eventually("the focus on the opened row", async () => (await focusedRow(page)) === 3);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name, exact: true }).waitFor();
    await page.goBack();
    await page.locator(".app[data-view='market']").waitFor();
    await close(page, errors);
  });

  test("search and sort work on live data", async () => {
    const { page, errors } = await open();
    const search = page.getByRole("searchbox", { name: "Search tokens" });
    await search.fill("bitc");
    await page.locator("[aria-rowcount='2']").waitFor();
    assert.deepEqual(await column(page, ".names b"), ["BTC"]);
    await search.fill("no such token");
    await page.getByText("No token has this name.").waitFor();
    await search.fill("");
    await page.locator("[aria-rowcount='101']").waitFor();

    const head = page.getByRole("columnheader", { name: "Token" });
    await head.getByRole("button").click();
    assert.equal(await head.getAttribute("aria-sort"), "ascending");
    const names = await column(page, ".names b");
    assert.deepEqual(names, names.toSorted());
    await page.getByRole("columnheader", { name: "24 h" }).getByRole("button").click();
    await eventually("the largest change first", async () => {
      const changes = (await column(page, ".change")).map((text) =>
        Number(text.replace("−", "-").replace("%", "")),
      );
      // The page keeps the order for 2 s, so a value may be larger than the one above it for a while.
      return changes.length > 5 && changes.every((change, n) => n === 0 || change <= (changes[n - 1] ?? 0));
    });
    await close(page, errors);
  });

  test("only visible rows are rendered, numbered for screen readers", async () => {
    const { page, errors } = await open();
    assert.ok(await page.getByRole("grid", { name: "Trending" }).isVisible());
    const fitting = Math.ceil(DESKTOP.height / 56) + 14; // 6 more at either end, and the row with the focus
    const first = await indices(page);
    assert.ok(first.length <= fitting, `${first.length} rows`);
    assert.ok(first.includes(2));
    await page.evaluate("document.querySelector('#tokens').scrollTo(0, 1e6)");
    await eventually("the last row", async () => (await indices(page)).includes(101));
    const last = await indices(page);
    assert.ok(last.length <= fitting, `${last.length} rows`);
    assert.equal(new Set(last).size, last.length);
    await close(page, errors);
  });

  test("prices flash, but not with reduced motion", async () => {
    const { page, errors } = await open();
    await eventually("a flash", async () => (await moving(page)) > 0);
    await page.emulateMedia({ reducedMotion: "reduce" });
    const flashes = page.locator(".price [data-flash]");
    await eventually("several changed prices", async () => (await flashes.count()) > 3);
    assert.equal(await moving(page), 0);
    await close(page, errors);
  });
});
