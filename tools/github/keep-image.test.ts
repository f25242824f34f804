import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fakeScript } from "../fake-machine.fixture.ts";

const IMAGE = `r-docker.pkg.dev/prod/odin-prod-images/gateway@sha256:${"ab12".repeat(16)}`;
const BUILT = "urn:pulumi:prod::odin-ws::odin-ws:index:ContainerImage::gateway-image";
const OTHER = "urn:pulumi:prod::odin-ws::odin-ws:index:Registry$gcp:artifactregistry:Repository::images";

/**
 * Runs the script with a fake pulumi that has these resources and this output. Also returns the commands that
 * set keys.
 */
function keep(t: TestContext, { urns = OTHER, output = IMAGE, args = ["prod"] } = {}) {
  const root = mkdtempSync(join(tmpdir(), "odin-keep-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const set = join(root, "set");
  fakeScript(
    join(root, "bin"),
    "pulumi",
    `case "$*" in
"stack --show-urns --stack prod") echo "URN: ${urns.replace("$", "\\$")}"; [ "${urns}" != none ] || exit 1 ;;
"stack output image --stack prod") [ -n "${output}" ] || exit 1; echo "${output}" ;;
"config set"*) echo "$*" >>"${set}" ;;
*) exit 3 ;;
esac`,
  );
  const ended = spawnSync("bash", [join(import.meta.dirname, "keep-image.sh"), ...args], {
    encoding: "utf8",
    env: { PATH: `${join(root, "bin")}:/usr/bin:/bin` },
  });
  return {
    code: ended.status,
    out: ended.stdout,
    err: ended.stderr,
    set: existsSync(set) ? readFileSync(set, "utf8").trim() : "",
  };
}

test("the script sets the image that the stack runs", (t) => {
  const { code, set } = keep(t);
  assert.deepEqual([code, set], [0, `config set serverImage ${IMAGE} --stack prod`]);
});

test("the script sets nothing when the stack builds its image or runs no image yet", (t) => {
  for (const without of [{ urns: BUILT }, { output: "" }]) {
    const { code, set, out } = keep(t, without);
    assert.deepEqual([code, set], [0, ""]);
    assert.match(out, /keep-image: prod (builds its image itself|runs no image yet)/);
  }
});

test("an image without a digest, an unknown stack and wrong arguments are reported", (t) => {
  for (const [wrong, message] of [
    [{ output: "r/gateway:latest" }, /runs 'r\/gateway:latest', which is not an image with a digest/],
    [{ urns: "none" }, /cannot read the stack prod/],
    [{ args: [] }, /usage/],
  ] as [Parameters<typeof keep>[1], RegExp][]) {
    const { code, set, err } = keep(t, wrong);
    assert.deepEqual([code, set], [1, ""]);
    assert.match(err, message);
  }
});
