import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { ImageSource } from "./image-context.ts";

/** Builds and pushes the image; runs on the machine that deploys. */
const BUILD = "npm run --silent build-image";

/** Arguments of {@link ContainerImage}. */
export interface ContainerImageArgs {
  /** Name of the image in the registry, for example `gateway`. */
  image: string;
  /** Address of the repository to push to: `images` of a Registry. */
  registry: pulumi.Input<string>;
  /** The sources, as `prepareContext` returns them. */
  source: ImageSource;
  /**
   * Whether the image in the state stays, whatever the sources are: nothing is built, and a preview shows no
   * change. Without an image in the state, one is built. Default: false.
   */
  keep?: boolean;
}

/**
 * An image that the Docker daemon of the deploying machine builds from this repository and pushes. Machines
 * pull the image by its digest.
 *
 * Only the build needs a daemon. A preview, a refresh, and an update for which no source changed run without
 * Docker, and so does the removal of this component, for example after `serverImage` was set. For this reason
 * the image is a command and not a resource of @pulumi/docker: that provider looks for a daemon before it
 * does anything, in previews too.
 *
 * The component has no credentials. `docker push` uses the credential helper that
 * `gcloud auth configure-docker REGION-docker.pkg.dev` sets up. An access token in the command's environment
 * would be stored (encrypted) in the state and would expire after an hour.
 *
 * The image is built again when one of the inputs here changes; the tag is the version of the sources. Where
 * the image would change, a preview does not know its digest yet, and every machine that runs the image shows
 * as changed. A stack with an earlier digest in `serverImage` does not use this component.
 *
 * Deleting this component deletes nothing in the registry: the repository's clean-up policies delete old
 * images.
 */
export class ContainerImage extends pulumi.ComponentResource {
  /** `REGISTRY/IMAGE@sha256:…`: the name by which machines pull the image. */
  readonly digest: pulumi.Output<string>;

  constructor(name: string, args: ContainerImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ContainerImage", name, {}, opts);
    const { image, registry, source, keep = false } = args;
    const { context, dockerfile, version, buildArgs } = source;
    const repository = pulumi.interpolate`${registry}/${image}`;
    const build = new command.local.Command(
      `${name}-build`,
      {
        create: BUILD,
        update: BUILD,
        environment: {
          IMAGE: pulumi.interpolate`${repository}:${version}`,
          CONTEXT: context,
          DOCKERFILE: dockerfile,
          // /stats shows COMMIT after the version. COMMIT is the version of the sources and not a git commit,
          // so an unrelated commit does not make another image.
          BUILD_ARGS: JSON.stringify({ ...buildArgs, COMMIT: version }),
        },
        addPreviousOutputInEnv: false,
      },
      { parent: this, ignoreChanges: keep ? ["create", "update", "environment"] : [] },
    );
    this.digest = pulumi
      .all([repository, build.stdout])
      .apply(([repository, printed]) => checkedDigest(repository, printed));
    this.registerOutputs({ digest: this.digest });
  }
}

/**
 * Returns what the build printed, without spaces around it.
 * @throws Error unless the build printed a digest in the repository
 */
export function checkedDigest(repository: string, printed: string): string {
  const digest = printed.trim();
  if (!digest.startsWith(`${repository}@`) || !/@sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(
      `the build printed ${JSON.stringify(printed)} instead of a digest for ${repository}: build the image again with pulumi up --replace and the URN of its build`,
    );
  }
  return digest;
}
