import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { record } from "../offline/offline.ts";
import { Machine, testSite } from "../offline/site.fixture.ts";
import { dockerHubPath, Registry } from "./registry.ts";

const REPOSITORY = "gcp:artifactregistry/repository:Repository";
const GRANT = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember";
const DIGEST = `sha256:${"a1".repeat(32)}`;

const readers = { gateway: "serviceAccount:gateway@test" };
const mirrorReaders = { ...readers, nats: "serviceAccount:nats@test" };
const build = (site = testSite) =>
  record(() => {
    const registry = new Registry("registry", { site, readers, mirrorReaders });
    new Machine("machine", {
      own: registry.images,
      theirs: registry.mirror(`nats:2.15.0@${DIGEST}`),
    });
  });

const COMMON = {
  project: "test-project",
  location: "us-central1",
  format: "DOCKER",
  labels: { app: "odin-ws", stack: "test", role: "registry" },
  cleanupPolicyDryRun: false,
  vulnerabilityScanningConfig: { enablementConfig: "INHERITED" },
};
const DELETE_OLD = {
  id: "delete-old",
  action: "DELETE",
  condition: { olderThan: "7776000s", tagState: "ANY" }, // 90 days
};

test("our own repository keeps the newest and the tagged images", async () => {
  const { one } = await build();
  const repository = one(REPOSITORY, "registry-images");
  assert.equal(repository.parent, one("odin-ws:index:Registry").urn);
  assert.deepEqual(repository.inputs, {
    ...COMMON,
    repositoryId: "odin-test-images",
    description: "Images that are built here",
    mode: "STANDARD_REPOSITORY",
    cleanupPolicies: [
      DELETE_OLD,
      { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount: 30 } },
      { id: "keep-tagged", action: "KEEP", condition: { tagState: "TAGGED", tagPrefixes: ["keep"] } },
    ],
  });
});

test("a pull-through cache of Docker Hub", async () => {
  const { one } = await build();
  const repository = one(REPOSITORY, "registry-docker-hub");
  assert.equal(repository.parent, one("odin-ws:index:Registry").urn);
  assert.deepEqual(repository.inputs, {
    ...COMMON,
    repositoryId: "odin-test-docker-hub",
    description: "Pull-through cache of Docker Hub",
    mode: "REMOTE_REPOSITORY",
    remoteRepositoryConfig: {
      description: "Docker Hub, without an account",
      dockerRepository: { publicRepository: "DOCKER_HUB" },
    },
    cleanupPolicies: [
      DELETE_OLD,
      { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount: 10 } },
    ],
  });
});

test("each reader may read only the repository that it pulls from", async () => {
  const { all } = await build();
  assert.deepEqual(
    all(GRANT)
      .map(({ name, inputs }) => [name, inputs])
      .sort(),
    Object.entries({ "docker-hub": mirrorReaders, images: readers }).flatMap(([id, members]) =>
      Object.entries(members).map(([role, member]) => [
        `registry-${id}-reader-${role}`,
        {
          project: "test-project",
          location: "us-central1",
          repository: `odin-test-${id}`,
          role: "roles/artifactregistry.reader",
          member,
        },
      ]),
    ),
  );
});

test("addresses are known as soon as the readers may pull", async () => {
  const { one, all } = await build();
  const machine = one("test:index:Machine");
  assert.deepEqual(machine.inputs, {
    own: "us-central1-docker.pkg.dev/test-project/odin-test-images",
    theirs: `us-central1-docker.pkg.dev/test-project/odin-test-docker-hub/library/nats:2.15.0@${DIGEST}`,
  });
  for (const { urn } of all(GRANT)) assert.ok(machine.dependencies.includes(urn), urn);
});

test("in production our own images are protected from deletion, the cache is not", async () => {
  const { one } = await build({ ...testSite, production: true });
  assert.equal(one(REPOSITORY, "registry-images").protect, true);
  assert.equal(one(REPOSITORY, "registry-docker-hub").protect, false);
  assert.equal((await build()).one(REPOSITORY, "registry-images").protect, false);
});

test("paths of Docker Hub", () => {
  for (const [image, path] of [
    [`docker.io/grafana/loki:3.5.0@${DIGEST}`, `grafana/loki:3.5.0@${DIGEST}`],
    ["grafana/loki:3.5.0", "grafana/loki:3.5.0"],
    [`grafana/loki@${DIGEST}`, `grafana/loki@${DIGEST}`],
    ["nats:2.15.0-alpine", "library/nats:2.15.0-alpine"],
    ["docker.io/nats:2", "library/nats:2"],
    ["docker.io/library/nats:2", "library/nats:2"],
  ] as const) {
    assert.equal(dockerHubPath(image), path);
  }
});

test("images that the mirror refuses", () => {
  assert.throws(() => dockerHubPath("grafana/loki"), /grafana\/loki has no version/);
  assert.throws(
    () => dockerHubPath("gcr.io/distroless/base:1"),
    /not on docker.io: .* for gcr.io to infra\/image\/registry.ts/,
  );
  assert.throws(() => dockerHubPath("localhost:5000/nats:2"), /for localhost:5000/);
  for (const image of ["", "Nats:2", "nats:", "nats@sha256:abc", "nats:2 ", "/nats:2", "a//:1"]) {
    assert.throws(() => dockerHubPath(image), /is not the name of an image/, image);
  }
});

test("the mirror changes only the registry of an image", () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,8})?$/);
  const version = fc.oneof(fc.stringMatching(/^:[A-Za-z0-9_][\w.-]{0,20}$/), fc.constant(`@${DIGEST}`));
  fc.assert(
    fc.property(part, part, version, (owner, name, version) => {
      const path = `${owner}/${name}${version}`;
      assert.equal(dockerHubPath(path), path);
      assert.equal(dockerHubPath(`docker.io/${path}`), path);
      assert.equal(dockerHubPath(`${name}${version}`), `library/${name}${version}`);
    }),
  );
});
