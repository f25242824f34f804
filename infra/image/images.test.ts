import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BUILD_IMAGES, IMAGES } from "./images.ts";
import { dockerHubPath } from "./registry.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

test("every image is pinned by tag and digest, and no two images have the same digest", () => {
  const all = [...Object.values(IMAGES), ...Object.values(BUILD_IMAGES)];
  for (const image of all) assert.match(image, /^[a-z.]+\/[a-z0-9/-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
  assert.equal(new Set(all.map((image) => image.split("@")[1])).size, all.length);
});

test("machines pull every image through the mirror", () => {
  for (const image of Object.values(IMAGES)) {
    assert.equal(dockerHubPath(image), image.replace("docker.io/", ""));
  }
});

test("the Dockerfile builds with the same tags", () => {
  const dockerfile = read("../../server/Dockerfile");
  for (const [arg, image] of Object.entries(BUILD_IMAGES)) {
    const tag = image.split("@")[0]?.replace("docker.io/library/", "");
    assert.ok(dockerfile.split("\n").includes(`ARG ${arg}=${tag}`), `ARG ${arg}=${tag}`);
  }
});
