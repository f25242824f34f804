/**
 * The image of loadtest/Dockerfile, built by a real Docker daemon on base images from this machine, and run
 * like on the runner of the capacity test.
 */

import { strict as assert } from "node:assert";
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { prepareContext } from "../../infra/image/image-context.ts";
import type { Result } from "../../loadtest/src/verdict/result.ts";
import { build } from "../../server/build.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { suiteOwner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";
import { BuiltImage, COMMIT, digestOf, NODE_BASE, openFiles, RUNTIME_BASE } from "./built-image.ts";
import { type Docker, startDocker, whyNoDocker } from "./docker-daemon.ts";
import { assertOneFile } from "./hardened.ts";
import { importNodeBase, importRuntimeBase } from "./local-base.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUNDLE = "app/loadtest.mjs";
const SOURCE = { tag: "odin-test/loadtest", dockerfile: "loadtest/Dockerfile", bundle: BUNDLE };
const USER = 65532;
const CONNECTIONS = 200;
const TRAFFIC_TIMEOUT_MS = 60_000; // 60 s, on a busy machine

describe("image of the load test", { skip: whyNoDocker() ?? false }, () => {
  const owner = suiteOwner();
  let docker: Docker;
  let image: BuiltImage;
  let gateway: Gateway;

  before(async () => {
    docker = await startDocker(owner);
    await Promise.all([importNodeBase(docker, NODE_BASE), importRuntimeBase(docker, RUNTIME_BASE)]);
    image = new BuiltImage(docker, SOURCE);
    // Like in a deployment, the builder gets only the files that the ignore file beside the Dockerfile
    // allows.
    const args = { NODE_IMAGE: NODE_BASE, BASE_IMAGE: RUNTIME_BASE, COMMIT };
    const source = { root: ROOT, dockerfile: SOURCE.dockerfile, buildArgs: args };
    const { context, dockerfile } = prepareContext(source, join(docker.folder, "context"));
    const given = Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    const where = ["--network", "host", "--file", dockerfile, "--tag", SOURCE.tag, context];
    await docker.run(["build", ...given, ...where], { DOCKER_BUILDKIT: "0" });
    gateway = await startGateway(owner, {});
  });

  test("contains the bundle that is built here, and adds nothing else to its base", async () => {
    const outfile = join(docker.folder, "bundle/loadtest.mjs");
    await build({ bundle: "loadtest", outfile, commit: COMMIT });
    assert.equal(await image.bundleDigest(), digestOf(outfile));
    await assertOneFile(image, BUNDLE);
  });

  test("configures user, entrypoint, variables and stop signal", async () => {
    assert.deepEqual(await image.config(), {
      user: `${USER}:${USER}`,
      entrypoint: ["node", "/app/loadtest.mjs"],
      command: null,
      ports: [],
      stopSignal: "SIGINT",
      env: ["LOADTEST_OUT=/results", "NODE_ENV=production", "PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin"],
      revision: COMMIT,
    });
  });

  /** Returns the arguments of `docker run` as in infra/startup/runner.sh, and the folder of the reports. */
  function runner(name: string): { args: string[]; results: string } {
    const results = join(docker.folder, name);
    mkdirSync(results);
    chownSync(results, USER, USER);
    const metrics = `http://127.0.0.1:${gateway.opsPort}/metrics`;
    const env = { WS_URL: gateway.url, METRICS_URL: metrics, TARGET_CONNECTIONS: String(CONNECTIONS) };
    const args = [
      ...["--init", "--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
      ...["--security-opt", "no-new-privileges", "--user", `${USER}:${USER}`],
      ...["--ulimit", `nofile=${openFiles()}:${openFiles()}`, "--volume", `${results}:/results`],
      ...Object.entries(env).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
      SOURCE.tag,
    ];
    return { args, results };
  }

  function resultIn(folder: string): Result {
    const files = readdirSync(folder).toSorted();
    assert.deepEqual(
      files.map((file) => file.split(".").at(-1)),
      ["html", "json"],
    );
    for (const file of files)
      assert.equal(statSync(join(folder, file)).uid, USER, "the report belongs to the user of the container");
    return JSON.parse(readFileSync(join(folder, files[1] as string), "utf8")) as Result;
  }

  test("loads a gateway with settings from environment and arguments, and writes its report", async () => {
    const { args, results } = runner("results");
    // Other tests keep the machine busy, so latency is not checked.
    const flags = ["sustained", "--duration", "5", "--workers", "2", "--max-p99", "60000"];
    const output = await docker.run(["run", "--rm", ...args, ...flags]);
    assert.match(output, /sustained: PASSED[\s\S]*Report: \/results\//);
    const { outcome, open, deliveries, command } = resultIn(results);
    assert.deepEqual([outcome, open, command.workers], ["passed", CONNECTIONS, 2]);
    assert.ok(deliveries > 0);
  });

  test("writes a report on `docker stop`", async (t: TestContext) => {
    const { args, results } = runner("stopped");
    const id = await docker.run(["run", "--detach", ...args, "sustained", "--duration", "10m"]);
    t.after(() => docker.run(["rm", "--force", id]));
    await eventually(
      "traffic",
      async () => /as published, 5 s/.test(await docker.shell('docker logs "$1" 2>&1', id)),
      TRAFFIC_TIMEOUT_MS,
    );
    await docker.run(["stop", "--time", "60", id]);
    assert.equal(await docker.run(["wait", id]), "130");
    assert.equal(resultIn(results).outcome, "stopped");
  });
});
