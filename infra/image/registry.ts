import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link Registry}. */
export interface RegistryArgs {
  site: Site;
  /** Who may pull our own images: IAM members (`serviceAccount:…`) by role, for example `{gateway: identity.member}`. */
  readers: Record<string, pulumi.Input<string>>;
  /** Who may pull third-party images. */
  mirrorReaders: Record<string, pulumi.Input<string>>;
}

const DAY = 86_400; // s
// Google keeps ages as seconds: "90d" would come back as "7776000s" and differ for ever after.
const OLD = `${90 * DAY}s`;

type CleanupPolicy = gcp.types.input.artifactregistry.RepositoryCleanupPolicy;

const DELETE_OLD: CleanupPolicy = {
  id: "delete-old",
  action: "DELETE",
  condition: { olderThan: OLD, tagState: "ANY" },
};

/** What a machine may need is kept whatever its age: a policy that keeps outweighs every policy that deletes. */
function keepNewest(keepCount: number): CleanupPolicy {
  return { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount } };
}

/**
 * Our own images, and a pull-through cache of Docker Hub: machines without an address pull both through Google's network, the pulls of
 * all machines count as one against Docker Hub's limit, and a new machine starts while Docker Hub is down.
 *
 * Clean-up runs daily. It deletes what is older than 90 days, but never the newest versions of an image, of which the running one is
 * always one: an image is pushed only in order to be rolled out. What an old digest in `serverImage` names would not be among them after
 * 30 more rollouts: give that digest a tag that starts with `keep`.
 */
export class Registry extends pulumi.ComponentResource {
  /** `REGION-docker.pkg.dev/PROJECT/REPOSITORY`, known when the readers may pull. */
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
      // Scanned where the project has Container Scanning on, which costs per pushed image: the project's decision, not ours.
      vulnerabilityScanningConfig: { enablementConfig: "INHERITED" },
    };
    const images = new gcp.artifactregistry.Repository(
      `${name}-images`,
      {
        ...common,
        repositoryId: `${site.prefix}-images`,
        description: "Images that are built here",
        mode: "STANDARD_REPOSITORY",
        // Tags stay mutable: an image that is built again after a lost state has its old tag and a new digest. Machines name digests.
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
        // An image for several platforms counts as two versions: its list and the one that was pulled.
        cleanupPolicies: [DELETE_OLD, keepNewest(10)],
      },
      { parent: this },
    );
    this.images = this.#readable(`${name}-images`, images, site, args.readers);
    this.#cache = this.#readable(`${name}-docker-hub`, cache, site, args.mirrorReaders);
    this.registerOutputs({ images: this.images });
  }

  /** A third-party image as the machines pull it: through the cache. @throws Error for one that the cache does not have */
  mirror(image: string): pulumi.Output<string> {
    return pulumi.interpolate`${this.#cache}/${dockerHubPath(image)}`;
  }

  /** The repository's address, as soon as the readers may pull from it. */
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
    // The grants' own input `role`, not their ids: known in previews, so that a new reader does not make every VM look changed.
    const granted = pulumi.all(grants.map(({ role }) => role));
    return pulumi
      .all([location, project, repositoryId, granted])
      .apply(([location, project, repositoryId]) => `${location}-docker.pkg.dev/${project}/${repositoryId}`);
  }
}

/** [registry/]path, then a tag, a digest or both. The first part is a registry when it looks like a host. */
const IMAGE =
  /^(?:(?<registry>localhost|[^/@]*[.:][^/@]*)\/)?(?<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?<version>(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?)$/;

/**
 * The path below a mirror of Docker Hub: `docker.io/grafana/loki:3.5.5` is `grafana/loki:3.5.5`, official images are in `library/`.
 * @throws Error for an image without a version or of another registry
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
    throw new Error(`${image} has no version: add a tag and the digest, or another one may run tomorrow`);
  return `${path.includes("/") ? path : `library/${path}`}${version}`;
}
