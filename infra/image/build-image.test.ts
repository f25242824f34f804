import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("./build-image.ts", import.meta.url));
const REPOSITORY = "us-central1-docker.pkg.dev/p/odin-test-images/gateway";
const DIGEST = `sha256:${"ab12".repeat(16)}`;
const ENV = {
  IMAGE: `${REPOSITORY}:0123456789ab`,
  CONTEXT: "build/images/0123456789ab",
  DOCKERFILE: "build/images/0123456789ab/Dockerfile",
  BUILD_ARGS: '{"BASE_IMAGE":"base@sha256:1","COMMIT":"0123456789ab"}',
};

/** Runs the command with a fake docker, which is lines of shell. Also returns the calls of docker. */
function build(t: TestContext, lines: string | undefined, env: Record<string, string> = ENV) {
  const folder = mkdtempSync(join(tmpdir(), "odin-build-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const calls = join(folder, "calls");
  writeFileSync(calls, "");
  if (lines !== undefined) {
    writeFileSync(join(folder, "docker"), `#!/bin/sh\necho "$*" >>'${calls}'\n${lines}\n`);
    chmodSync(join(folder, "docker"), 0o755);
  }
  const path = lines === undefined ? folder : `${folder}:/usr/bin:/bin`;
  const ended = spawnSync(process.execPath, [CLI], { encoding: "utf8", env: { PATH: path, ...env } });
  const { status, stdout, stderr } = ended;
  return { status, stdout, stderr, calls: readFileSync(calls, "utf8").trim().split("\n") };
}

/** Prints Docker's answers to `image inspect`. */
const inspect = (...digests: string[]) =>
  `[ "$1" != image ] || printf '%s\\n' ${digests.map((digest) => `'${digest}'`).join(" ")}`;

test("the image is built for our machines, pushed, and named by the digest in our repository", (t) => {
  const other = `us-central1-docker.pkg.dev/p/odin-prod-images/gateway@${DIGEST}`;
  const { status, stdout, stderr, calls } = build(
    t,
    `echo progress; ${inspect(other, `${REPOSITORY}@${DIGEST}`)}`.replace(
      "echo progress",
      '[ "$1" = image ] || echo progress',
    ),
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${REPOSITORY}@${DIGEST}\n`, "stdout has nothing else");
  assert.deepEqual(calls.slice(0, 3), [
    "buildx version",
    `buildx build --load --provenance=false --platform linux/amd64 --tag ${ENV.IMAGE} --file ${ENV.DOCKERFILE} --build-arg BASE_IMAGE=base@sha256:1 --build-arg COMMIT=0123456789ab ${ENV.CONTEXT}`,
    `push ${ENV.IMAGE}`,
  ]);
});

test("a Docker without buildx builds, too", (t) => {
  const { stdout, stderr, calls } = build(
    t,
    `[ "$1" != buildx ] || exit 1; ${inspect(`${REPOSITORY}@${DIGEST}`)}`,
  );
  assert.equal(stdout, `${REPOSITORY}@${DIGEST}\n`, stderr);
  assert.match(calls[1] ?? "", /^build --platform linux\/amd64 --tag /);
});

test("a failure of Docker is reported with its output", (t) => {
  const lines = '[ "$2" != version ] || exit 0; echo "#1 compiling"; echo "no such file" >&2; exit 7';
  const { status, stdout, stderr, calls } = build(t, lines);
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^docker buildx build .* ended with 7\n/);
  assert.match(stderr, /#1 compiling/);
  assert.match(stderr, /no such file/);
  assert.deepEqual(calls.slice(2), [], "nothing is pushed");
});

test("an image that was not pushed, a missing docker and missing variables are reported", (t) => {
  const notPushed = build(t, inspect("local/gateway@sha256:12"));
  assert.equal(notPushed.status, 1);
  assert.match(
    notPushed.stderr,
    /was not pushed: Docker lists local\/gateway@sha256:12, and none of us-central1/,
  );
  const missing = build(t, undefined);
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /docker build .*ENOENT.* Install Docker/);
  assert.equal(build(t, "", { IMAGE: ENV.IMAGE }).status, 2);
});
