import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ImageSource } from "./image-context.ts";

/** Arguments of {@link ContainerImage}. */
export interface ContainerImageArgs {
  /** What it is called in the registry, for example `gateway`. */
  image: string;
  /** Repository to push to: `images` of a Registry. */
  registry: pulumi.Input<string>;
  /** What it is built from, of `prepareContext`. */
  source: ImageSource;
}

/**
 * An image of this repository, built by the Docker daemon of the machine that deploys, pushed, and named by its digest.
 *
 * No credentials here: the provider asks the credential helper that `gcloud auth configure-docker REGION-docker.pkg.dev` sets up, as `docker
 * push` does. An access token as `registry.password` would be in the state, encrypted, and dead an hour later; it would show no change at
 * the next deployment (the provider ignores user and password when it compares), so it would also hide that it is wrong.
 *
 * When it is built: when an input here differs, the tag among them, which is the version of the sources, or when the provider's own hash of the
 * context does. That hash takes names, contents and modes of all files that `.dockerignore` lets through, which is why the context is a copy
 * with fixed modes (`prepareContext`). `ignoreChanges` would not hold it off: the provider adds the hash after the engine has applied that.
 *
 * A preview builds nothing, as it needs neither a daemon nor credentials: where the image would change, its digest is not known yet and
 * what runs it shows as changed. A stack that is given an earlier digest (`serverImage`) does without this component.
 *
 * Deleting it deletes nothing in the registry; that is the work of the repository's clean-up.
 */
export class ContainerImage extends pulumi.ComponentResource {
  /** `REGISTRY/IMAGE@sha256:…`: what a machine pulls. */
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
        // COMMIT is what /stats shows after the version: the sources' own, so that an unrelated commit does not make another image.
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
 * The digest in our repository. A daemon lists one name for each repository that it pushed the same image to, and the provider takes the
 * first, which may be that of another stack.
 * @throws Error when it has none
 */
export function ownDigest(repository: string, repoDigest: string | undefined): string {
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(repoDigest ?? "")?.[1];
  if (!digest) {
    throw new Error(
      `Docker gave ${JSON.stringify(repoDigest)} instead of a digest for ${repository}: the image was not pushed. Build it again with pulumi up --replace and the URN of the image.`,
    );
  }
  return `${repository}@${digest}`;
}
