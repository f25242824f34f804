import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ImageSource } from "./image-context.ts";

/** Arguments of {@link ContainerImage}. */
export interface ContainerImageArgs {
  /** Name of the image in the registry, for example `gateway`. */
  image: string;
  /** Address of the repository to push to: `images` of a Registry. */
  registry: pulumi.Input<string>;
  /** The sources, as `prepareContext` returns them. */
  source: ImageSource;
}

/**
 * An image that the Docker daemon of the deploying machine builds from this repository and pushes. Machines
 * pull the image by its digest.
 *
 * The component has no credentials. The provider uses the credential helper that
 * `gcloud auth configure-docker REGION-docker.pkg.dev` sets up, as `docker push` does. An access token in
 * `registry.password` would be stored (encrypted) in the state and would expire after an hour. The next
 * deployment would not show that the token is wrong, because the provider ignores user and password when it
 * compares.
 *
 * The image is built again when one of the inputs here changes (the tag is the version of the sources) or
 * when the provider's own hash of the context changes. The provider hashes names, contents and modes of all
 * files that `.dockerignore` includes; this is why the context is a copy with fixed modes (`prepareContext`).
 * `ignoreChanges` would not help: the provider adds its hash after the engine has applied `ignoreChanges`.
 *
 * A preview builds nothing, so it needs neither a Docker daemon nor credentials. Where the image would
 * change, its digest is not known yet, and every machine that runs the image shows as changed. A stack with
 * an earlier digest in `serverImage` does not use this component.
 *
 * Deleting this component deletes nothing in the registry: the repository's clean-up policies delete old
 * images.
 */
export class ContainerImage extends pulumi.ComponentResource {
  /** `REGISTRY/IMAGE@sha256:…`: the name by which machines pull the image. */
  readonly digest: pulumi.Output<string>;

  constructor(name: string, args: ContainerImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ContainerImage", name, {}, opts);
    const { image: called, registry, source } = args;
    const { context, dockerfile, version, buildArgs } = source;
    const repository = pulumi.interpolate`${registry}/${called}`;
    const image = new docker.Image(
      name,
      {
        imageName: pulumi.interpolate`${repository}:${version}`,
        // /stats shows COMMIT after the version. COMMIT is the version of the sources and not a git commit,
        // so an unrelated commit does not make another image.
        build: { context, dockerfile, platform: "linux/amd64", args: { ...buildArgs, COMMIT: version } },
        buildOnPreview: false,
        skipPush: false,
      },
      { parent: this },
    );
    this.digest = pulumi
      .all([repository, image.repoDigest])
      .apply(([repository, digest]) => ownDigest(repository, digest));
    this.registerOutputs({ digest: this.digest });
  }
}

/**
 * Returns the image's name in our repository, by digest. A daemon that pushed the same image to several
 * repositories lists one name for each of them, and the provider returns the first, which may belong to
 * another stack.
 * @throws Error when `repoDigest` has no digest
 */
export function ownDigest(repository: string, repoDigest: string | undefined): string {
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(repoDigest ?? "")?.[1];
  if (!digest) {
    throw new Error(
      `Docker returned ${JSON.stringify(repoDigest)} instead of a digest for ${repository}: the image was not pushed. Build the image again with pulumi up --replace and the URN of the image.`,
    );
  }
  return `${repository}@${digest}`;
}
