import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILD_IMAGES, IMAGES } from "../infra/image/images.ts";
import { type Ask, newestTag, outdatedCos, outdatedImages, pinnedCos } from "./outdated.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

test("newestTag finds the newest tag of the same form", () => {
  const tags = ["v3.9.0", "v3.10.0", "v3.10", "3.11.0", "v4.0.0-rc.1", "v2.99.99", "latest"];
  assert.equal(newestTag("v3.8.1", tags), "v3.10.0");
  assert.equal(newestTag("v3.8.1", ["v3.8.0"]), "v3.8.1");
  const node = ["24.22.0-trixie-slim", "25.1.0-trixie-slim", "24.30.0-alpine", "24-trixie-slim"];
  assert.equal(newestTag("24.21.0-trixie-slim", node, true), "24.22.0-trixie-slim");
  assert.equal(newestTag("24.21.0-trixie-slim", node), "25.1.0-trixie-slim");
  assert.equal(newestTag("nonroot", ["debug", "nonroot"]), "nonroot");
});

test("a newer tag and a moved tag are reported with their replacement, and current images are not reported", () => {
  const known: Record<string, string> = {
    "ls docker.io/nats": "2.15.0\n2.16.1\n",
    "digest docker.io/nats:2.16.1": `${digest("b")}\n`,
    "ls gcr.io/base": "nonroot\n",
    "digest gcr.io/base:nonroot": digest("d"),
    "ls docker.io/loki": "3.5.5\n",
    "digest docker.io/loki:3.5.5": digest("e"),
  };
  const ask: Ask = (program, args) => {
    assert.equal(program, "crane");
    return known[args.join(" ")] ?? assert.fail(args.join(" "));
  };
  const images = {
    nats: `docker.io/nats:2.15.0@${digest("a")}`,
    BASE_IMAGE: `gcr.io/base:nonroot@${digest("c")}`,
    loki: `docker.io/loki:3.5.5@${digest("e")}`,
  };
  assert.deepEqual(outdatedImages(images, ask), [
    `nats: 2.15.0 -> docker.io/nats:2.16.1@${digest("b")} (infra/image/images.ts)`,
    `BASE_IMAGE: nonroot -> gcr.io/base:nonroot@${digest("d")} (infra/image/images.ts)`,
  ]);
  assert.throws(
    () => outdatedImages({ nats: "docker.io/nats:2.15.0" }, ask),
    /nats is docker\.io\/nats:2\.15\.0: it must have the form/,
  );
});

test("the image of the VMs stays in its milestone", () => {
  const ask: Ask = (program, args) => {
    assert.equal(program, "gcloud");
    assert.ok(args.includes("cos-133-lts"), args.join(" "));
    return "cos-133-19999-60-1\n";
  };
  assert.deepEqual(outdatedCos("cos-133-19999-44-85", ask), [
    "cosImage: cos-133-19999-44-85 -> cos-133-19999-60-1 (Pulumi.yaml)",
  ]);
  assert.deepEqual(outdatedCos("cos-133-19999-60-1", ask), []);
  assert.throws(() => outdatedCos("cos-stable", ask), /must be an exact image/);
});

test("every image that this repository pins can be checked", () => {
  assert.match(pinnedCos(), /^cos-\d+-\d+-\d+-\d+$/);
  const checked: string[] = [];
  outdatedImages({ ...IMAGES, ...BUILD_IMAGES }, (_, [verb, what = ""]) => {
    if (verb !== "ls") return digest("0");
    checked.push(what);
    return "";
  });
  assert.equal(checked.length, Object.keys({ ...IMAGES, ...BUILD_IMAGES }).length);
});
