/**
 * The image of publisher/Dockerfile, built and run by a real Docker daemon on base images from this machine.
 */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { build } from "../../server/build.ts";
import { get } from "../harness/http.ts";
import { STREAM, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually } from "../harness/wait.ts";
import { BuiltImage, COMMIT, digestOf, NODE_BASE, RUNTIME_BASE } from "./built-image.ts";
import { type Docker, startDocker, whyNoDocker } from "./docker-daemon.ts";
import { assertNoRights, assertOneFile } from "./hardened.ts";
import { importNodeBase, importRuntimeBase } from "./local-base.ts";

const MANIFEST = new URL("../../package.json", import.meta.url);
const BUNDLE = "app/publisher.mjs";
const SOURCE = { tag: "odin-test/publisher", dockerfile: "publisher/Dockerfile", bundle: BUNDLE };

interface Stats {
  version: string;
  rate: number;
  published: number;
  stored: number;
}

describe("image of the publisher", { skip: whyNoDocker() ?? withoutNats() }, () => {
  const owner = suiteOwner();
  let docker: Docker;
  let image: BuiltImage;

  before(async () => {
    docker = await startDocker(owner);
    await Promise.all([importNodeBase(docker, NODE_BASE), importRuntimeBase(docker, RUNTIME_BASE)]);
    image = new BuiltImage(docker, SOURCE);
    await image.build({ DOCKER_BUILDKIT: "0" });
  });

  test("contains the bundle that is built here, and adds nothing else to its base", async () => {
    const outfile = join(docker.folder, "bundle/publisher.mjs");
    await build({ bundle: "publisher", outfile, commit: COMMIT });
    assert.equal(await image.bundleDigest(), digestOf(outfile));
    await assertOneFile(image, BUNDLE);
  });

  test("configures user, entrypoint, ports and stop signal", async () => {
    assert.deepEqual(await image.config(), {
      user: "65532:65532",
      entrypoint: ["node", "/app/publisher.mjs"],
      command: null,
      ports: ["3003/tcp"],
      stopSignal: "SIGTERM",
      env: ["NODE_ENV=production", "PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin"],
      revision: COMMIT,
    });
  });

  test("publishes on a read-only file system without privileges, accepts a rate, and ends on `docker stop`", async (t) => {
    const nats = await startNats(t);
    const url = `http://127.0.0.1:${await freePort()}`;
    const env = { NATS_URL: nats.url, PUBLISHER_PORT: new URL(url).port, RATE: "50" };
    const container = await image.start(t, env, async () => (await get(`${url}/health`)).status === 200);
    const stats = async () => JSON.parse((await get(`${url}/stats`)).body) as Stats;
    const { version } = JSON.parse(readFileSync(MANIFEST, "utf8")) as { version: string };
    assert.equal((await stats()).version, `${version}+${COMMIT.slice(0, 12)}`);
    await assertNoRights(container);
    await eventually("stored events", async () => (await stats()).stored > 50);
    assert.match((await get(`${url}/metrics`)).body, /^publisher_store_seconds_count [1-9]/m);
    const answer = await fetch(`${url}/rate`, { method: "PUT", body: '{"rate": 0}' });
    assert.equal(((await answer.json()) as Stats).rate, 0);
    await eventually("the last event stored", async () => {
      const { published, stored } = await stats();
      return published === stored;
    });
    const { stored } = await stats();
    assert.equal((await nats.jsm.streams.info(STREAM)).state.last_seq, stored);
    await docker.run(["stop", "--time", "60", container.id]);
    const { ExitCode, OOMKilled } = await container.state();
    assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false });
  });
});
