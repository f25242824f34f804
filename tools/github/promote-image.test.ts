import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fakeScript } from "../fake-machine.fixture.ts";

const DIGEST = `sha256:${"ab12".repeat(16)}`;
const STAGING = `r-docker.pkg.dev/staging/odin-staging-images/gateway@${DIGEST}`;
const PROD = "r-docker.pkg.dev/prod/odin-prod-images/gateway";

/**
 * Runs the scripts with a fake pulumi, docker and Go (which stands for crane). Each writes its arguments to a
 * log.
 */
function machine(t: TestContext, { running = `${PROD}@sha256:${"0".repeat(64)}`, copied = DIGEST } = {}) {
  const root = mkdtempSync(join(tmpdir(), "odin-promote-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  const log = join(root, "log");
  const note = (what: string) => `echo "${what} $*" >> ${log}`;
  fakeScript(
    bin,
    "pulumi",
    `${note("pulumi")}; ${running ? `echo "${running}"` : "echo no such output >&2; exit 1"}`,
  );
  fakeScript(
    bin,
    "go",
    `shift 4; ${note("crane")}; [ "$1" = digest ] && echo "${copied}"; echo progress >&2`,
  );
  fakeScript(bin, "docker", `${note("docker")}; cat >> ${log}; echo >> ${log}`);
  return {
    root,
    run: (script: string, args: string[], env: NodeJS.ProcessEnv = {}) => {
      const ended = spawnSync("bash", [join(import.meta.dirname, script), ...args], {
        encoding: "utf8",
        cwd: root,
        env: { PATH: `${bin}:/usr/bin:/bin`, ...env },
      });
      return { code: ended.status, out: ended.stdout, err: ended.stderr };
    },
    log: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}

test("the image is copied to the stack's own repository and keeps its digest", (t) => {
  const { run, log } = machine(t);
  const { code, out } = run("promote-image.sh", [STAGING, "prod"]);
  assert.deepEqual([code, out], [0, `${PROD}@${DIGEST}\n`]);
  const tag = `${PROD}:promoted-ab12ab12ab12`;
  assert.deepEqual(log(), [
    "pulumi stack output image --stack prod",
    `crane copy ${STAGING} ${tag}`,
    `crane digest ${tag}`,
  ]);
});

test("a dry run copies nothing, and neither does a stack with the same repository", (t) => {
  const dry = machine(t);
  assert.equal(dry.run("promote-image.sh", ["--dry-run", STAGING, "prod"]).out, `${PROD}@${DIGEST}\n`);
  assert.equal(dry.log().length, 1);
  const same = machine(t, { running: STAGING.replace(/ab12$/, "0000") });
  assert.equal(same.run("promote-image.sh", [STAGING, "prod"]).out, `${STAGING}\n`);
  assert.equal(same.log().length, 1);
});

test("a wrong image, stack or argument stops the script before anything is deployed", (t) => {
  const other = machine(t, { copied: `sha256:${"f".repeat(64)}` }).run("promote-image.sh", [STAGING, "prod"]);
  assert.deepEqual([other.code, other.out], [1, ""]);
  assert.match(other.err, /has the digest sha256:f+, expected sha256:/);
  const never = machine(t, { running: "" }).run("promote-image.sh", [STAGING, "prod"]);
  assert.deepEqual([never.code, never.out], [1, ""]);
  assert.match(never.err, /stack prod has no output 'image': deploy it once by hand/);
  const tagged = machine(t, { running: `${PROD}:latest` }).run("promote-image.sh", [STAGING, "prod"]);
  assert.match(tagged.err, /which is not an image with a digest/);
  const { run, log } = machine(t);
  for (const args of [[], [STAGING], ["gateway:latest", "prod"], ["", "prod"]])
    assert.equal(run("promote-image.sh", args).code, 1, args.join(" "));
  assert.deepEqual(log(), []);
});

test("registry-login.sh logs in once for each region and does not show the token", (t) => {
  const { root, run, log } = machine(t);
  for (const [stack, region] of [
    ["staging", "us-central1"],
    ["prod", "us-central1"],
    ["other", '"europe-west4"'],
  ])
    writeFileSync(
      join(root, `Pulumi.${stack}.yaml`),
      `config:\n  gcp:region: ${region}\n  odin-ws:zones: [a]\n`,
    );
  const files = ["staging", "prod", "other"].map((stack) => `Pulumi.${stack}.yaml`);
  const { code, out, err } = run("registry-login.sh", files, { ACCESS_TOKEN: "t0ken" });
  assert.equal(code, 0, err);
  const login = "docker login --username oauth2accesstoken --password-stdin https://";
  assert.deepEqual(log(), [
    `${login}us-central1-docker.pkg.dev`,
    "t0ken",
    `${login}europe-west4-docker.pkg.dev`,
    "t0ken",
  ]);
  assert.doesNotMatch(out + err, /t0ken/);
  writeFileSync(join(root, "Pulumi.none.yaml"), "config: {}\n");
  assert.match(
    run("registry-login.sh", ["Pulumi.none.yaml"], { ACCESS_TOKEN: "t" }).err,
    /Pulumi.none.yaml has no gcp:region/,
  );
  assert.match(run("registry-login.sh", files).err, /ACCESS_TOKEN is not set/);
  assert.equal(run("registry-login.sh", [], { ACCESS_TOKEN: "t" }).code, 1);
});
