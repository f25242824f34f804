/** Starts a browser that is installed on this machine, for tests of web pages. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { Owner } from "./owner.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
/**
 * Stop Chromium from contacting its maker's servers at every start. As root, Chromium needs `--no-sandbox`.
 */
export const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...found, MAC].find((path) => existsSync(path));
}

/**
 * The `skip` option of tests that need a browser: the reason when no browser is installed, otherwise false.
 */
export function withoutBrowser(): string | false {
  if (findBrowser() !== undefined) return false;
  return "no Chromium or Chrome found: install one (Debian: apt-get install chromium)";
}

export interface PageOptions extends BrowserContextOptions {
  /**
   * Paths of scripts that run before the page's own scripts. The page's security policy does not block them.
   */
  scripts?: readonly string[];
}

export interface OpenedPage {
  page: Page;
  /**
   * Uncaught errors and error lines of the console. Violations of the page's security policy are among them.
   */
  errors: string[];
}

/** Starts a browser and returns a function that opens pages in it. Each page has its own storage. */
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

/** Opens one page in a new browser. */
export async function openPage(owner: Owner, url: string, options: PageOptions = {}): Promise<OpenedPage> {
  const open = await startBrowser(owner);
  return open(url, options);
}
