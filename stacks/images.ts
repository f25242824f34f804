import { fileURLToPath } from "node:url";
import { BUILD_IMAGES, ContainerImage, IMAGES, prepareContext, type Registry } from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import { BUILD } from "./config/keys.ts";
import type { KeptImage } from "./kept-image.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONTEXTS = "build/images";

/** Images of other projects by their names in {@link IMAGES}, as the stack's own registry mirrors them. */
export function mirroredImages(
  registry: Registry,
  names: readonly (keyof typeof IMAGES)[],
): Record<string, pulumi.Output<string>> {
  return Object.fromEntries(names.map((name) => [name, registry.mirror(IMAGES[name])]));
}

/**
 * The gateway's image by digest. The key `serverImage` says which one: an image by digest, or `build` for an
 * image that is built from this repository. Without the key, the gateways keep the image that they run, and
 * an image is built only where they run none.
 *
 * @param kept the image that the gateways run; undefined when they run none
 */
export function gatewayImage(
  { serverImage }: StackConfig,
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
  kept?: KeptImage,
): pulumi.Output<string> {
  if (serverImage !== undefined && serverImage !== BUILD) return pulumi.output(serverImage);
  if (serverImage === BUILD || kept === undefined) return build("gateway", "server", registry, opts);
  // The resources of an earlier build stay in the state: removing them would be a second change in the update
  // of somebody who changes a limit.
  if (kept.isBuilt) build("gateway", "server", registry, opts, true);
  return pulumi.output(kept.image);
}

/** Image of the capacity test's publisher, by digest. */
export function publisherImage(
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> {
  return build("publisher", "publisher", registry, opts);
}

/** Image of the capacity test's load generator, by digest. */
export function loadtestImage(
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> {
  return build("loadtest", "loadtest", registry, opts);
}

function build(
  image: string,
  folder: string,
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
  keep = false,
): pulumi.Output<string> {
  const source = prepareContext(
    { root: ROOT, dockerfile: `${folder}/Dockerfile`, buildArgs: BUILD_IMAGES },
    CONTEXTS,
  );
  return new ContainerImage(`${image}-image`, { image, registry: registry.images, source, keep }, opts)
    .digest;
}
