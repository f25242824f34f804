/** The image of server/Dockerfile, built and run by a real Docker daemon on bases made here. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../../server/build.ts";
import type { Stats } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { eventually, within } from "../harness/wait.ts";
import { type Docker, startDocker, whyNoDocker } from "./docker-daemon.ts";
import { importNodeBase, importRuntimeBase } from "./local-base.ts";
import { assertServed } from "./served.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const NODE_BASE = "odin-test/node";
const RUNTIME_BASE = "odin-test/runtime";
const IMAGE = "odin-test/gateway";
const BUNDLE = "app/gateway.mjs";
const START = 30_000; // 30 s for a container to become healthy
const DRAIN_SECONDS = 2;
const STOP_OVERTIME = 5_000; // 5 s beyond the drain for the container to be gone

/** How server/Dockerfile says to run it, with as many open files as this machine allows. */
const HARDENED = [
  ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--ulimit", `nofile=${openFiles()}:${openFiles()}`],
];

interface Container {
  id: string;
  wsPort: number;
  opsPort: number;
}

interface State {
  Running: boolean;
  ExitCode: number;
  OOMKilled: boolean;
}

describe("image of the gateway", { skip: whyNoDocker() ?? false }, () => {
  const owner = suiteOwner();
  let docker: Docker;

  before(async () => {
    docker = await startDocker(owner);
    await Promise.all([importNodeBase(docker, NODE_BASE), importRuntimeBase(docker, RUNTIME_BASE)]);
    await buildImage(docker, IMAGE, { DOCKER_BUILDKIT: "0" });
  });

  test("holds the bundle that `npm run build` makes, byte for byte", async () => {
    const file = await buildHere(docker);
    assert.equal(await bundleDigest(docker, IMAGE), digest(readFileSync(file)));
  });

  test("is the same when BuildKit builds it", async (t) => {
    const client = await docker.buildKitClient();
    if (!client) return t.skip("needs a docker with BuildKit: apt-get install docker-buildx");
    await buildImage(docker, `${IMAGE}:buildkit`, { DOCKER_BUILDKIT: "1" }, client);
    assert.equal(await bundleDigest(docker, `${IMAGE}:buildkit`), await bundleDigest(docker, IMAGE));
    assert.deepEqual(await files(docker, `${IMAGE}:buildkit`), await files(docker, IMAGE));
    assert.deepEqual(await configOf(docker, `${IMAGE}:buildkit`), await configOf(docker, IMAGE));
  });

  test("adds one file to its base: no shell, no source, no packages", async (t) => {
    const base = new Set(await files(docker, RUNTIME_BASE, ["/none"]));
    const all = await files(docker, IMAGE);
    assert.deepEqual(
      all.filter((path) => !base.has(path)),
      ["app/", BUNDLE],
    );
    // What the base must not bring either, else these tests would not show that none of it is needed.
    assert.deepEqual(
      all.filter((path) => /(^|\/)(node_modules|(ba|da)?sh|busybox|env|npm)(\/|$)/.test(path)),
      [],
    );

    const size = async (image: string) =>
      Number(await docker.run(["inspect", "--format", "{{.Size}}", image]));
    const [whole, part] = [await size(IMAGE), await size(RUNTIME_BASE)];
    t.diagnostic(`${megabytes(whole)} of which ${megabytes(whole - part)} is the gateway`);
    assert.ok(whole - part < 15e6, `the gateway adds ${megabytes(whole - part)}`);
  });

  test("says how it is to be run", async () => {
    assert.deepEqual(await configOf(docker, IMAGE), {
      user: "65532:65532",
      entrypoint: ["node", "--max-semi-space-size=8", "/app/gateway.mjs"],
      command: null,
      ports: ["3002/tcp", "3004/tcp"],
      stopSignal: "SIGTERM",
      env: ["NODE_ENV=production", "PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin"],
      revision: COMMIT,
    });
  });

  test("serves clients with nothing to write to and no rights, and drains on `docker stop`", async (t) => {
    const container = await start(t, docker, { WS_WORKER_POOL_SIZE: "2" });
    const stats = JSON.parse((await get(`http://127.0.0.1:${container.opsPort}/stats`)).body) as Stats;
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    assert.equal(stats.version, `${version}+${COMMIT.slice(0, 12)}`);

    const first = await processOne(docker, container);
    assert.match(first.status, /^Uid:\t65532\t65532\t65532\t65532$/m);
    assert.match(first.status, /^Gid:\t65532\t65532\t65532\t65532$/m);
    assert.match(first.status, /^Cap(Prm|Eff|Bnd):\t0{16}$/m);
    assert.match(first.status, /^NoNewPrivs:\t1$/m);
    assert.match(first.limits, new RegExp(`^Max open files +${openFiles()} +${openFiles()} `, "m"));

    const client = await assertServed(t, container.wsPort);
    const began = Date.now();
    const stopped = docker.run(["stop", "--time", "60", container.id]);
    const { in_ms } = await client.control("reconnect");
    assert.ok(in_ms >= 0);
    assert.equal((await within("close", client.closed)).code, 1012);
    await stopped;
    const took = Date.now() - began;
    assert.ok(took < DRAIN_SECONDS * 1000 + STOP_OVERTIME, `stopping took ${took} ms`);
    const { ExitCode, OOMKilled } = await stateOf(docker, container);
    assert.deepEqual({ ExitCode, OOMKilled }, { ExitCode: 0, OOMKilled: false });
  });

  test("ends at once on a second SIGTERM, though it is process 1", async (t) => {
    const container = await start(t, docker, { WS_WORKER_POOL_SIZE: "1", WS_DRAIN_SECONDS: "600" });
    await assertServed(t, container.wsPort);
    const signal = () => docker.run(["kill", "--signal", "TERM", container.id]);
    await signal();
    const health = `http://127.0.0.1:${container.opsPort}/health`;
    await eventually("drain", async () => (await get(health)).status === 503);
    assert.equal((await stateOf(docker, container)).Running, true);
    await signal();
    await eventually("end", async () => !(await stateOf(docker, container)).Running);
    assert.notEqual((await stateOf(docker, container)).ExitCode, 137, "it had to be killed");
  });
});

async function buildImage(
  docker: Docker,
  tag: string,
  env: NodeJS.ProcessEnv,
  client?: string,
): Promise<void> {
  const args = Object.entries({ NODE_IMAGE: NODE_BASE, BASE_IMAGE: RUNTIME_BASE, COMMIT });
  const buildArgs = args.flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const where = ["--network", "host", "--file", join(ROOT, "server/Dockerfile"), "--tag", tag, ROOT];
  await docker.run(["build", ...buildArgs, ...where], env, client);
}

/** The bundle as `npm run build` makes it outside. Returns its path. */
async function buildHere(docker: Docker): Promise<string> {
  const outfile = join(docker.folder, "bundle/gateway.mjs");
  await build({ outfile, commit: COMMIT });
  return outfile;
}

async function bundleDigest(docker: Docker, image: string): Promise<string> {
  return withContainer(docker, image, [], async (id) => {
    const file = join(docker.folder, `${id}.mjs`);
    await docker.run(["cp", `${id}:/${BUNDLE}`, file]);
    return digest(readFileSync(file));
  });
}

/** Paths of all that is in an image, folders with a slash at their end. */
async function files(docker: Docker, image: string, command: string[] = []): Promise<string[]> {
  const list = await withContainer(docker, image, command, (id) =>
    docker.shell('docker export "$1" | tar --list', id),
  );
  return list.split("\n").sort();
}

/** A container that exists but never runs. An image without a command of its own needs one all the same. */
async function withContainer<T>(
  docker: Docker,
  image: string,
  command: string[],
  use: (id: string) => Promise<T>,
): Promise<T> {
  const id = await docker.run(["create", image, ...command]);
  try {
    return await use(id);
  } finally {
    await docker.run(["rm", id]);
  }
}

async function configOf(docker: Docker, image: string) {
  const config = JSON.parse(await docker.run(["inspect", "--format", "{{json .Config}}", image])) as {
    User: string;
    Entrypoint: string[];
    Cmd: string[] | null;
    ExposedPorts: Record<string, object>;
    StopSignal: string;
    Env: string[];
    Labels: Record<string, string>;
  };
  return {
    user: config.User,
    entrypoint: config.Entrypoint,
    command: config.Cmd ?? null,
    ports: Object.keys(config.ExposedPorts).sort(),
    stopSignal: config.StopSignal,
    env: config.Env.toSorted(),
    revision: config.Labels["org.opencontainers.image.revision"],
  };
}

/** Runs the image and waits until it is healthy; removed with its owner. */
async function start(owner: Owner, docker: Docker, settings: Record<string, string>): Promise<Container> {
  const [wsPort, opsPort] = [await freePort(), await freePort()];
  const env = {
    AUTH_MODE: "none",
    SOURCE: "simulator",
    SIMULATOR_RATE: "200",
    WS_PORT: String(wsPort),
    OPS_PORT: String(opsPort),
    WS_DRAIN_SECONDS: String(DRAIN_SECONDS),
    // Tests keep the machine busy: no reason to refuse the client here.
    WS_CPU_LIMIT: "64",
    GCP_METRICS: "off",
    ...settings,
  };
  const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  const id = await docker.run(["run", "--detach", "--network", "host", ...HARDENED, ...variables, IMAGE]);
  owner.after(async () => {
    await docker.run(["rm", "--force", id]);
  });
  const container = { id, wsPort, opsPort };
  try {
    await eventually(
      "/health 200",
      async () => {
        if (!(await stateOf(docker, container)).Running) return true;
        return (await get(`http://127.0.0.1:${opsPort}/health`)).status === 200;
      },
      START,
    );
    assert.equal((await stateOf(docker, container)).Running, true, "the container ended");
  } catch (error) {
    throw new Error(`${error}\n${await docker.shell('docker logs "$1" 2>&1', id)}`, { cause: error });
  }
  return container;
}

async function stateOf(docker: Docker, { id }: Container): Promise<State> {
  return JSON.parse(await docker.run(["inspect", "--format", "{{json .State}}", id])) as State;
}

/** What the kernel says of the container's first process. Without a shell to ask with, Node does it. */
async function processOne(docker: Docker, { id }: Container): Promise<{ status: string; limits: string }> {
  const script =
    "const { readFileSync: r } = require('node:fs'); console.log(JSON.stringify({ status: r('/proc/1/status', 'utf8'), limits: r('/proc/1/limits', 'utf8') }))";
  return JSON.parse(await docker.run(["exec", id, "node", "--eval", script])) as {
    status: string;
    limits: string;
  };
}

/** Open files that a container can be given here: 200,000 as in the deployment, or this process's own hard limit. */
function openFiles(): number {
  const wanted = 200_000;
  if (process.platform !== "linux") return wanted;
  const [, hard] = readFileSync("/proc/self/limits", "utf8").match(/^Max open files +\d+ +(\d+)/m) ?? [];
  return Math.min(wanted, Number(hard ?? wanted));
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
