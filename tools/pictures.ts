// `npm run pictures` takes the pictures in docs/img: of the demo page that `npm start` serves, and of the
// report of a load test with its defaults (10,000 connections for a minute) against the gateway of
// `npm start`. The command takes about four minutes on a machine that runs nothing else.
//   npm run pictures -- [--only demo|load]

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { type PageOptions, startBrowser, withoutBrowser } from "../test/harness/browser.ts";
import type { Owner } from "../test/harness/owner.ts";
import { freePort } from "../test/harness/ports.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const IMAGES = join(ROOT, "docs/img");
const PATIENCE_MS = 60_000; // 60 s, for a build and a start
/** How long the market runs before a picture, because its charts need some points. */
const RUN_MS = 25_000; // 25 s

interface Picture {
  name: string;
  /** Fragment behind the page's address. */
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

/** Starts the demo page and resolves with its client port and its operations port. */
async function startDemo(owner: Owner): Promise<{ port: number; ops: number }> {
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
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  for await (const chunk of child.stdout ?? []) {
    if (String(chunk).includes("gateway is up")) {
      child.stdout?.resume();
      return { port, ops };
    }
    deadline.throwIfAborted();
  }
  throw new Error("npm start ended before the gateway was up: its output above says why");
}

async function save(page: Page, name: string, fullPage = false): Promise<void> {
  const path = join(IMAGES, `${name}.png`);
  await page.screenshot({ path, fullPage });
  console.log(`docs/img/${name}.png  ${Math.round(statSync(path).size / 1_000)} kB`);
}

async function takeDemo(owner: Owner, open: Open): Promise<void> {
  const { port } = await startDemo(owner);
  const url = `http://127.0.0.1:${port}/`;
  const pages = [];
  for (const { name, hash, options } of PICTURES) {
    const { page, errors } = await open(url + hash, options);
    await page.locator("[aria-rowcount='101']").waitFor({ state: "attached", timeout: PATIENCE_MS });
    pages.push({ name, page, errors });
  }
  await new Promise((done) => setTimeout(done, RUN_MS));
  for (const { name, page, errors } of pages) {
    if (errors.length > 0) throw new Error(`the page of ${name} reported errors: ${errors.join("; ")}`);
    await save(page, name);
  }
}

/**
 * Runs the load test as a person does. Fails when the load test does not pass, because the docs show a passed
 * run.
 */
async function takeReport(owner: Owner, open: Open): Promise<void> {
  const { port, ops } = await startDemo(owner);
  const out = mkdtempSync(join(tmpdir(), "odin-pictures-"));
  owner.after(() => rmSync(out, { recursive: true }));
  const where = ["--url", `ws://127.0.0.1:${port}/ws`, "--metrics", `http://127.0.0.1:${ops}/metrics`];
  const args = ["run", "--silent", "loadtest", "--", "sustained", ...where, "--out", out];
  const child = spawn("npm", args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  owner.after(() => void child.kill("SIGINT"));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the load test ended with exit code ${code}: its output above says why`);
  const [report] = globSync(join(out, "*.html"));
  if (report === undefined) throw new Error(`the load test left no report in ${out}`);
  const { page } = await open(pathToFileURL(report).href, { ...DESKTOP, colorScheme: "light" });
  await save(page, "loadtest-report", true);
}

/** An owner whose `dispose` ends what the part has started, last started first. */
function newOwner(): { owner: Owner; dispose(): Promise<void> } {
  const disposals: (() => Promise<void> | void)[] = [];
  return {
    owner: { after: (dispose) => disposals.unshift(dispose) },
    async dispose() {
      for (const dispose of disposals.splice(0)) await dispose();
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  const parts = { demo: takeDemo, load: takeReport };
  const only = values.only as keyof typeof parts | undefined;
  if (only !== undefined && !(only in parts)) throw new Error(`--only must be demo or load, not ${only}`);
  const missing = withoutBrowser();
  if (missing !== false) throw new Error(missing);
  mkdirSync(IMAGES, { recursive: true });
  const browser = newOwner();
  try {
    const open = await startBrowser(browser.owner);
    for (const [name, take] of Object.entries(parts)) {
      if (only !== undefined && only !== name) continue;
      const part = newOwner();
      try {
        await take(part.owner, open);
      } finally {
        await part.dispose();
      }
    }
  } finally {
    await browser.dispose();
  }
}

try {
  await main();
} catch (error) {
  console.error(`pictures: ${(error as Error).message}`);
  process.exitCode = 1;
}
