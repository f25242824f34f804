import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { record } from "../offline/offline.ts";
import { Machine } from "../offline/site.fixture.ts";
import { ContainerImage, ownDigest } from "./container-image.ts";

const REGISTRY = "us-central1-docker.pkg.dev/test-project/odin-test-images";
const DIGEST = `sha256:${"0".repeat(64)}`;

test("an image is built for our machines, pushed by version and run by digest, without credentials", async () => {
  const { one } = await record(() => {
    const { digest } = new ContainerImage("gateway", {
      image: "gateway",
      registry: pulumi.output(REGISTRY),
      source: {
        context: "dist/image/0123456789ab",
        dockerfile: "dist/image/0123456789ab/Dockerfile",
        buildArgs: { BASE_IMAGE: "base@sha256:1" },
        version: "0123456789ab",
      },
    });
    new Machine("machine", { digest });
  });
  const image = one("docker:index/image:Image", "gateway");
  assert.equal(image.parent, one("odin-ws:index:ContainerImage").urn);
  assert.deepEqual(image.inputs, {
    imageName: `${REGISTRY}/gateway:0123456789ab`,
    build: {
      context: "dist/image/0123456789ab",
      dockerfile: "dist/image/0123456789ab/Dockerfile",
      platform: "linux/amd64",
      args: { BASE_IMAGE: "base@sha256:1", COMMIT: "0123456789ab" },
    },
    buildOnPreview: false,
    skipPush: false,
  });
  const machine = one("test:index:Machine");
  assert.equal(machine.inputs.digest, `${REGISTRY}/gateway@${DIGEST}`);
  assert.ok(machine.dependencies.includes(image.urn));
});

test("the digest belongs to our repository", () => {
  assert.equal(ownDigest("ours/gateway", `ours/gateway@${DIGEST}`), `ours/gateway@${DIGEST}`);
  assert.equal(ownDigest("ours/gateway", `theirs/gateway@${DIGEST}`), `ours/gateway@${DIGEST}`);
  for (const wrong of [undefined, "", DIGEST, "ours/gateway:1", "ours/gateway@sha256:12"]) {
    assert.throws(
      () => ownDigest("ours/gateway", wrong),
      /instead of a digest for ours\/gateway: .* not pushed/,
    );
  }
});
