// `npm run pictures`: takes the pictures of the docs, in docs/img, from the demo page as `npm start` serves it.
//   npm run pictures -- [--report load-report.html]
// With --report it takes the picture of that load report instead.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { type PageOptions, startBrowser, withoutBrowser } from "../test/harness/browser.ts";
import type { Owner } from "../test/harness/owner.ts";
import { freePort } from "../test/harness/ports.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const IMAGES = join(ROOT, "docs/img");
const PATIENCE = 60_000; // 60 s, for a build and a start
/** So long the market runs before a picture: its lines need some points. */
const RUN_MS = 25_000;

interface Picture {
  name: string;
  /** Behind the page's address. */
  hash: string;
  options: PageOptions;
}

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, hasTouch: true };
const PICTURES: readonly Picture[] = [
  { name: "demo-light", hash: "#/token/BTC", options: { ...DESKTOP, colorScheme: "light" } },
  { name: "demo-dark", hash: "#/token/BTC", options: { ...DESKTOP, colorScheme: "dark" } },
  { name: "demo-phone", hash: "", options: { ...PHONE, colorScheme: "light" } },
  { name: "demo-token", hash: "#/token/BTC", options: { ...PHONE, colorScheme: "dark" } },
];

type Open = Awaited<ReturnType<typeof startBrowser>>;

/** Starts the demo page; resolves with its address. */
async function startDemo(owner: Owner): Promise<string> {
  const [port, ops] = [await freePort(), await freePort()];
  const env = { ...process.env, WS_PORT: String(port), OPS_PORT: String(ops) };
  const child: ChildProcess = spawn("npm", ["start"], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  owner.after(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGINT");
    await once(child, "exit");
  });
  const deadline = AbortSignal.timeout(PATIENCE);
  for await (const chunk of child.stdout ?? []) {
    if (String(chunk).includes("gateway is up")) {
      child.stdout?.resume();
      return `http://127.0.0.1:${port}/`;
    }
    deadline.throwIfAborted();
  }
  throw new Error("npm start ended before the gateway was up: see above");
}

async function save(page: Page, name: string, fullPage = false): Promise<void> {
  const path = join(IMAGES, `${name}.png`);
  await page.screenshot({ path, fullPage });
  console.log(`docs/img/${name}.png  ${Math.round(statSync(path).size / 1_000)} kB`);
}

async function takeDemo(owner: Owner, open: Open): Promise<void> {
  const url = await startDemo(owner);
  const pages = [];
  for (const { name, hash, options } of PICTURES) {
    const { page, errors } = await open(url + hash, options);
    await page.locator("[aria-rowcount='101']").waitFor({ state: "attached", timeout: PATIENCE });
    pages.push({ name, page, errors });
  }
  await new Promise((done) => setTimeout(done, RUN_MS));
  for (const { name, page, errors } of pages) {
    if (errors.length > 0) throw new Error(`the page complained: ${errors.join("; ")}`);
    await save(page, name);
  }
}

async function takeReport(path: string, open: Open): Promise<void> {
  const { page } = await open(pathToFileURL(resolve(path)).href, { ...DESKTOP, colorScheme: "light" });
  await save(page, "loadtest-report", true);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { report: { type: "string" } } });
  if (values.report !== undefined) statSync(values.report); // a wrong path is told before a browser starts
  const missing = withoutBrowser();
  if (missing !== false) throw new Error(missing);
  mkdirSync(IMAGES, { recursive: true });
  const disposals: (() => Promise<void> | void)[] = [];
  const owner: Owner = { after: (dispose) => disposals.unshift(dispose) };
  try {
    const open = await startBrowser(owner);
    if (values.report === undefined) await takeDemo(owner, open);
    else await takeReport(values.report, open);
  } finally {
    for (const dispose of disposals) await dispose();
  }
}

try {
  await main();
} catch (error) {
  console.error(`pictures: ${(error as Error).message}`);
  process.exitCode = 1;
}
