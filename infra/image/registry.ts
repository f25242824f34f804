import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link Registry}. */
export interface RegistryArgs {
  site: Site;
  /**
   * IAM members (`serviceAccount:…`) that may pull our own images, by role, for example
   * `{gateway: identity.member}`.
   */
  readers: Record<string, pulumi.Input<string>>;
  /** IAM members that may pull third-party images, by role. */
  mirrorReaders: Record<string, pulumi.Input<string>>;
}

const DAY_SECONDS = 86_400; // s
// Google stores ages in seconds: "90d" would be returned as "7776000s" and show as a difference forever.
const OLD = `${90 * DAY_SECONDS}s`;

type CleanupPolicy = gcp.types.input.artifactregistry.RepositoryCleanupPolicy;

const DELETE_OLD: CleanupPolicy = {
  id: "delete-old",
  action: "DELETE",
  condition: { olderThan: OLD, tagState: "ANY" },
};

/**
 * Keeps the newest versions of each image at any age: a KEEP policy has priority over every DELETE policy.
 */
function keepNewest(keepCount: number): CleanupPolicy {
  return { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount } };
}

/**
 * Repository of our own images, and a pull-through cache of Docker Hub. Machines without a public address
 * pull from both through Google's network. With the cache, the pulls of all machines count as one against
 * Docker Hub's limit, and a new machine can start while Docker Hub is down.
 *
 * Clean-up runs daily. It deletes versions that are older than 90 days, but never the newest 30 versions of
 * an image. The running version is always among them, because an image is pushed only to be rolled out. An
 * old digest in `serverImage` would no longer be among them after 30 more rollouts: give that digest a tag
 * that starts with `keep`.
 */
export class Registry extends pulumi.ComponentResource {
  /** `REGION-docker.pkg.dev/PROJECT/REPOSITORY`, known as soon as the readers may pull. */
  readonly images: pulumi.Output<string>;
  readonly #cache: pulumi.Output<string>;

  constructor(name: string, args: RegistryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Registry", name, {}, opts);
    const { site } = args;
    const common = {
      project: site.project,
      location: site.region,
      format: "DOCKER",
      labels: roleLabels(site, "registry"),
      cleanupPolicyDryRun: false,
      // Images are scanned where the project has Container Scanning enabled. A scan costs money for each
      // pushed image, so the owner of the project decides.
      vulnerabilityScanningConfig: { enablementConfig: "INHERITED" },
    };
    const images = new gcp.artifactregistry.Repository(
      `${name}-images`,
      {
        ...common,
        repositoryId: `${site.prefix}-images`,
        description: "Images that are built here",
        mode: "STANDARD_REPOSITORY",
        // Tags stay mutable: when the state was lost, an image is built again with its old tag and a new
        // digest. Machines pull by digest.
        cleanupPolicies: [
          DELETE_OLD,
          keepNewest(30),
          { id: "keep-tagged", action: "KEEP", condition: { tagState: "TAGGED", tagPrefixes: ["keep"] } },
        ],
      },
      { parent: this, protect: site.production },
    );
    const cache = new gcp.artifactregistry.Repository(
      `${name}-docker-hub`,
      {
        ...common,
        repositoryId: `${site.prefix}-docker-hub`,
        description: "Pull-through cache of Docker Hub",
        mode: "REMOTE_REPOSITORY",
        remoteRepositoryConfig: {
          description: "Docker Hub, without an account",
          dockerRepository: { publicRepository: "DOCKER_HUB" },
        },
        // An image for several platforms counts as two versions: the list of platforms and the image that was
        // pulled.
        cleanupPolicies: [DELETE_OLD, keepNewest(10)],
      },
      { parent: this },
    );
    this.images = this.#readable(`${name}-images`, images, site, args.readers);
    this.#cache = this.#readable(`${name}-docker-hub`, cache, site, args.mirrorReaders);
    this.registerOutputs({ images: this.images });
  }

  /**
   * The name of a third-party image in the cache.
   * @throws Error for an image that is not on Docker Hub or has no version
   */
  mirror(image: string): pulumi.Output<string> {
    return pulumi.interpolate`${this.#cache}/${dockerHubPath(image)}`;
  }

  /** The repository's address, known as soon as the readers may pull from it. */
  #readable(
    name: string,
    repository: gcp.artifactregistry.Repository,
    site: Site,
    readers: Record<string, pulumi.Input<string>>,
  ) {
    const { project, location, repositoryId } = repository;
    const grants = Object.entries(readers).map(
      ([role, member]) =>
        new gcp.artifactregistry.RepositoryIamMember(
          `${name}-reader-${role}`,
          {
            project: site.project,
            location: site.region,
            repository: repositoryId,
            role: "roles/artifactregistry.reader",
            member,
          },
          { parent: this },
        ),
    );
    // Waits for the grants by their input `role` and not by their ids, because the input is known in
    // previews: otherwise a new reader would make every VM look changed.
    const granted = pulumi.all(grants.map(({ role }) => role));
    return pulumi
      .all([location, project, repositoryId, granted])
      .apply(([location, project, repositoryId]) => `${location}-docker.pkg.dev/${project}/${repositoryId}`);
  }
}

/**
 * `[registry/]path`, then a tag, a digest or both. The first part is a registry when it looks like a host.
 */
const IMAGE =
  /^(?:(?<registry>localhost|[^/@]*[.:][^/@]*)\/)?(?<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?<version>(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?)$/;

/**
 * Returns the path of an image in a mirror of Docker Hub: `grafana/loki:3.5.5` for
 * `docker.io/grafana/loki:3.5.5`. Official images are in `library/`.
 * @throws Error for an image that has no version or is in another registry
 */
export function dockerHubPath(image: string): string {
  const { registry = "docker.io", path, version } = IMAGE.exec(image)?.groups ?? {};
  if (!path) {
    throw new Error(`${image} is not the name of an image, for example docker.io/grafana/loki:3.5.5`);
  }
  if (registry !== "docker.io") {
    throw new Error(
      `${image} is not on docker.io: add a pull-through repository for ${registry} to infra/image/registry.ts`,
    );
  }
  if (!version)
    throw new Error(`${image} has no version: add a tag and the digest, or another version may run tomorrow`);
  return `${path.includes("/") ? path : `library/${path}`}${version}`;
}
