/** The image of server/Dockerfile, built and run by a real Docker daemon on base images from this machine. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { build } from "../../server/build.ts";
import type { Stats } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../harness/wait.ts";
import { BuiltImage, COMMIT, type Container, digestOf, NODE_BASE, RUNTIME_BASE } from "./built-image.ts";
import { type Docker, startDocker, whyNoDocker } from "./docker-daemon.ts";
import { assertNoRights, assertOneFile } from "./hardened.ts";
import { importNodeBase, importRuntimeBase } from "./local-base.ts";
import { assertServed } from "./served.ts";

const MANIFEST = new URL("../../package.json", import.meta.url);
const BUNDLE = "app/gateway.mjs";
const SOURCE = { tag: "odin-test/gateway", dockerfile: "server/Dockerfile", bundle: BUNDLE };
const DRAIN_SECONDS = 2;
const STOP_OVERTIME_MS = 5_000; // 5 s for the container to end after the drain

interface Running {
  container: Container;
  wsPort: number;
  opsPort: number;
}

describe("image of the gateway", { skip: whyNoDocker() ?? false }, () => {
  const owner = suiteOwner();
  let docker: Docker;
  let image: BuiltImage;

  before(async () => {
    docker = await startDocker(owner);
    await Promise.all([importNodeBase(docker, NODE_BASE), importRuntimeBase(docker, RUNTIME_BASE)]);
    image = new BuiltImage(docker, SOURCE);
    await image.build({ DOCKER_BUILDKIT: "0" });
  });

  test("contains exactly the bundle of `npm run build`", async () => {
    const outfile = join(docker.folder, "bundle/gateway.mjs");
    await build({ outfile, commit: COMMIT });
    assert.equal(await image.bundleDigest(), digestOf(outfile));
  });

  test("is identical when built by BuildKit", async (t) => {
    const client = await docker.buildKitClient();
    if (!client) return t.skip("needs a docker with BuildKit: apt-get install docker-buildx");
    const other = new BuiltImage(docker, { ...SOURCE, tag: `${SOURCE.tag}:buildkit` });
    await other.build({ DOCKER_BUILDKIT: "1" }, client);
    assert.equal(await other.bundleDigest(), await image.bundleDigest());
    assert.deepEqual(await other.files(), await image.files());
    assert.deepEqual(await other.config(), await image.config());
  });

  test("adds one file to its base: no shell, no source, no packages", async (t) => {
    await assertOneFile(image, BUNDLE);
    const { whole, added } = await image.size();
    t.diagnostic(`${megabytes(whole)}, of which the gateway adds ${megabytes(added)}`);
    assert.ok(added < 15e6, `the gateway adds ${megabytes(added)}`);
  });

  test("configures user, entrypoint, ports and stop signal", async () => {
    assert.deepEqual(await image.config(), {
      user: "65532:65532",
      entrypoint: ["node", "--max-semi-space-size=8", "/app/gateway.mjs"],
      command: null,
      ports: ["3002/tcp", "3004/tcp"],
      stopSignal: "SIGTERM",
      env: ["NODE_ENV=production", "PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin"],
      revision: COMMIT,
    });
  });

  test("serves clients on a read-only file system without privileges, and drains on `docker stop`", async (t) => {
    const { container, wsPort, opsPort } = await start(t, image, { WS_WORKER_POOL_SIZE: "2" });
    const stats = JSON.parse((await get(`http://127.0.0.1:${opsPort}/stats`)).body) as Stats;
    const { version } = JSON.parse(readFileSync(MANIFEST, "utf8")) as { version: string };
    assert.equal(stats.version, `${version}+${COMMIT.slice(0, 12)}`);
    await assertNoRights(container);

    const client = await assertServed(t, wsPort);
    const began = Date.now();
    const stopped = docker.run(["stop", "--time", "60", container.id]);
    const { in_ms } = await client.control("reconnect");
    assert.ok(in_ms >= 0);
    assert.equal((await within("close", client.closed)).code, 1012);
    await stopped;
    const took = Date.now() - began;
    assert.ok(took < DRAIN_SECONDS * 1000 + STOP_OVERTIME_MS, `stopping took ${took} ms`);
    const { ExitCode, OOMKilled } = await container.state();
    assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false });
  });

  test("ends at once on a second SIGTERM, even as process 1", async (t) => {
    const env = { WS_WORKER_POOL_SIZE: "1", WS_DRAIN_SECONDS: "600" };
    const { container, wsPort, opsPort } = await start(t, image, env);
    await assertServed(t, wsPort);
    const signal = () => docker.run(["kill", "--signal", "TERM", container.id]);
    await signal();
    const health = `http://127.0.0.1:${opsPort}/health`;
    await eventually("drain", async () => (await get(health)).status === 503);
    assert.equal((await container.state()).Running, true);
    await pause(LATER_SIGNAL_MS);
    await signal();
    await eventually("end", async () => !(await container.state()).Running);
    assert.notEqual((await container.state()).ExitCode, 137, "Docker had to kill the container");
  });
});

/** Runs the image and waits until the container is healthy. The container is removed with its owner. */
async function start(owner: Owner, image: BuiltImage, settings: Record<string, string>): Promise<Running> {
  const [wsPort, opsPort] = [await freePort(), await freePort()];
  const env = {
    AUTH_MODE: "none",
    SOURCE: "simulator",
    SIMULATOR_RATE: "200",
    WS_PORT: String(wsPort),
    OPS_PORT: String(opsPort),
    WS_DRAIN_SECONDS: String(DRAIN_SECONDS),
    // Other tests keep the machine busy; the gateway must not refuse the client because of CPU.
    WS_CPU_LIMIT: "64",
    GCP_METRICS: "off",
    ...settings,
  };
  const health = `http://127.0.0.1:${opsPort}/health`;
  const container = await image.start(owner, env, async () => (await get(health)).status === 200);
  return { container, wsPort, opsPort };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
