/** The image that the stack's gateways run since its last update, as the stack's state has it. */

import * as pulumi from "@pulumi/pulumi";

/** A stack's image, read from its state. */
export interface KeptImage {
  /** `REGISTRY/gateway@sha256:…`, of the last update that succeeded. */
  image: string;
  /**
   * Whether the state has the resources of a build. After an update with an image by digest, the state has
   * none.
   */
  isBuilt: boolean;
}

// Functions of the engine itself. A StackReference calls the first one too, but is a resource: each preview
// would show it.
const OUTPUTS = "pulumi:pulumi:readStackOutputs";
const RESOURCES = "pulumi:pulumi:readStackResourceOutputs";
const BUILD = "::gateway-image-build"; // end of the URN of the command that builds the image
const BY_DIGEST = /@sha256:[0-9a-f]{64}$/;

/**
 * Reads the image from the stack's output `image`. The output changes only after the test of the rollout, so
 * a failed update leaves the image of the update before.
 *
 * @returns undefined when the stack has not been deployed yet, and in an offline preview
 * @throws RunError when the output is not an image with a digest
 */
export async function keptImage(): Promise<KeptImage | undefined> {
  const stack = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const { outputs } = await pulumi.runtime.invoke(OUTPUTS, { name: stack });
  const image: unknown = (outputs as Record<string, unknown> | undefined)?.image;
  if (image === undefined) return undefined;
  if (typeof image !== "string" || !BY_DIGEST.test(image))
    throw new pulumi.RunError(
      `the output 'image' of ${stack} is ${JSON.stringify(image)}, which is not an image with a digest: set serverImage with pulumi config set, to the image that the gateways run (by digest), or to build`,
    );
  const { outputs: resources } = await pulumi.runtime.invoke(RESOURCES, { stackName: stack });
  return { image, isBuilt: Object.keys(resources as object).some((urn) => urn.endsWith(BUILD)) };
}
