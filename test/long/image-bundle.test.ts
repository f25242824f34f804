/** The bundle in the image: builds are reproducible, and the bundle needs no other file. */

import { strict as assert } from "node:assert";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../../server/build.ts";
import type { Stats } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";
import { assertServed } from "./served.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = join(ROOT, "server/build.ts");
const START_MS = 30_000; // 30 s

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  version: string;
  devDependencies: Record<string, string>;
};

describe("bundle of the gateway", () => {
  const owner = suiteOwner();
  const folder = mkdtempSync(join(tmpdir(), "odin-bundle-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, "built/gateway.mjs");
  const map = `${outfile}.map`;
  let version = "";

  before(async () => {
    version = await build({ outfile, commit: "abc1234" });
  });

  test("is identical when another process builds it again from another folder", async (t) => {
    const [bundle, lines] = [readFileSync(outfile), readFileSync(map)];
    rmSync(join(folder, "built"), { recursive: true });
    const script = `process.chdir(${JSON.stringify(folder)});
      const { build } = await import(${JSON.stringify(BUILD)});
      await build({ outfile: ${JSON.stringify(outfile)}, commit: "abc1234" });`;
    const builder = new ProcessGroup(process.execPath, ["--input-type=module", "--eval", script], {
      PATH: process.env.PATH ?? "",
    });
    t.after(() => builder.dispose());
    const { code } = await within("build", builder.exited, START_MS);
    assert.equal(code, 0, builder.tail());
    assert.ok(readFileSync(outfile).equals(bundle), "the bundle differs");
    assert.ok(readFileSync(map).equals(lines), "the source map differs");
  });

  test("contains the version, and no folder name of the machine that built it", () => {
    assert.equal(version, `${manifest.version}+abc1234`);
    const bundle = readFileSync(outfile, "utf8");
    assert.ok(bundle.includes(JSON.stringify(version)));
    assert.ok(!bundle.includes(ROOT), `the bundle contains ${ROOT}`);
  });

  test("refuses an invalid commit", async () => {
    await assert.rejects(
      build({ outfile: join(folder, "never.mjs"), commit: "main; rm -rf" }),
      /ODIN_COMMIT/,
    );
  });

  test("runs from an empty folder, with workers", async (t) => {
    const alone = join(folder, "alone");
    mkdirSync(alone);
    copyFileSync(outfile, join(alone, "gateway.mjs"));
    const [wsPort, opsPort] = [await freePort(), await freePort()];
    const gateway = new ProcessGroup(process.execPath, [join(alone, "gateway.mjs")], {
      AUTH_MODE: "none",
      SOURCE: "simulator",
      SIMULATOR_RATE: "200",
      WS_PORT: String(wsPort),
      OPS_PORT: String(opsPort),
      WS_WORKER_POOL_SIZE: "2",
      WS_DRAIN_SECONDS: "0",
      WS_CPU_LIMIT: "64",
      GCP_METRICS: "off",
    });
    t.after(() => gateway.dispose());
    const ops = async (path: string) => get(`http://127.0.0.1:${opsPort}${path}`);
    await eventually(
      () => `/health 200:\n${gateway.tail()}`,
      async () => (await ops("/health")).status === 200,
      START_MS,
    );
    assert.equal(gateway.processes().length, 3);
    assert.equal((JSON.parse((await ops("/stats")).body) as Stats).version, version);
    await assertServed(t, wsPort);
    gateway.signal("SIGTERM");
    const { code } = await within(() => `end:\n${gateway.tail()}`, gateway.exited);
    assert.equal(code, 0);
  });

  test("is built in the image by the same Node version as here, like the publisher's bundle", () => {
    const [gateway = "", publisher = ""] = ["server", "publisher"].map((folder) =>
      readFileSync(join(ROOT, folder, "Dockerfile"), "utf8"),
    );
    const [, tag] = gateway.match(/^ARG NODE_IMAGE=node:([^-\s]+)-/m) ?? [];
    assert.equal(tag, manifest.devDependencies.node);
    // Both Dockerfiles are identical up to the installation, so that they share its layers.
    const beginning = (dockerfile: string) => {
      const lines = dockerfile.match(/^[^#\n].*/gm) ?? [];
      return lines.slice(0, lines.findIndex((line) => line.startsWith("RUN npm ci ")) + 1);
    };
    assert.deepEqual(beginning(publisher), beginning(gateway));
    assert.ok(beginning(gateway).length > 1);
  });
});
