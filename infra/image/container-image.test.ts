import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { record } from "../offline/offline.ts";
import { Machine } from "../offline/site.fixture.ts";
import { ContainerImage, checkedDigest } from "./container-image.ts";

const REGISTRY = "us-central1-docker.pkg.dev/test-project/odin-test-images";
const DIGEST = `sha256:${"0".repeat(64)}`;

test("an image is built and pushed by version, and run by digest, without credentials", async () => {
  const { one } = await record(() => {
    const { digest } = new ContainerImage("gateway-image", {
      image: "gateway",
      registry: pulumi.output(REGISTRY),
      source: {
        context: "build/images/0123456789ab",
        dockerfile: "build/images/0123456789ab/Dockerfile",
        buildArgs: { BASE_IMAGE: "base@sha256:1" },
        version: "0123456789ab",
      },
    });
    new Machine("machine", { digest });
  });
  const build = one("command:local:Command", "gateway-image-build");
  assert.equal(build.parent, one("odin-ws:index:ContainerImage").urn);
  assert.deepEqual(build.inputs, {
    create: "npm run --silent build-image",
    update: "npm run --silent build-image",
    environment: {
      IMAGE: `${REGISTRY}/gateway:0123456789ab`,
      CONTEXT: "build/images/0123456789ab",
      DOCKERFILE: "build/images/0123456789ab/Dockerfile",
      BUILD_ARGS: '{"BASE_IMAGE":"base@sha256:1","COMMIT":"0123456789ab"}',
    },
    addPreviousOutputInEnv: false,
  });
  const machine = one("test:index:Machine");
  assert.equal(machine.inputs.digest, `${REGISTRY}/gateway@${DIGEST}`);
  assert.ok(machine.dependencies.includes(build.urn));
});

test("what the build printed must be a digest in our repository", () => {
  assert.equal(checkedDigest("ours/gateway", `ours/gateway@${DIGEST}\n`), `ours/gateway@${DIGEST}`);
  for (const wrong of ["", DIGEST, "ours/gateway:1", "ours/gateway@sha256:12", `theirs/gatewa@${DIGEST}`]) {
    assert.throws(() => checkedDigest("ours/gateway", wrong), /instead of a digest for ours\/gateway: /);
  }
});
