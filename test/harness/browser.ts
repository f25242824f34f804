/** A browser of this machine, for the tests of pages. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { Owner } from "./owner.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
/** Without these a browser looks for its maker's hosts at every start; as root it needs the first. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...found, MAC].find((path) => existsSync(path));
}

/** Why tests of pages are skipped, or false. */
export function withoutBrowser(): string | false {
  if (findBrowser() !== undefined) return false;
  return "no Chromium or Chrome found: install one (Debian: apt-get install chromium)";
}

export interface PageOptions extends BrowserContextOptions {
  /** Scripts that run in the page before its own, whatever its policy says. */
  scripts?: readonly string[];
}

export interface OpenedPage {
  page: Page;
  /** What it complained of, what its security policy forbade among it. */
  errors: string[];
}

/** Starts a browser for several pages; each has storage of its own. */
export async function startBrowser(
  owner: Owner,
): Promise<(url: string, options?: PageOptions) => Promise<OpenedPage>> {
  const browser: Browser = await chromium.launch({ executablePath: findBrowser() ?? "", args: ARGS });
  owner.after(() => browser.close());
  return async (url, { scripts = [], ...options } = {}) => {
    const page = await (await browser.newContext(options)).newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    for (const path of scripts) await page.addInitScript({ path });
    await page.goto(url);
    return { page, errors };
  };
}

/** Opens one page in a browser of its own. */
export async function openPage(owner: Owner, url: string, options: PageOptions = {}): Promise<OpenedPage> {
  const open = await startBrowser(owner);
  return open(url, options);
}
