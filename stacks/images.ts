import { fileURLToPath } from "node:url";
import { BUILD_IMAGES, ContainerImage, IMAGES, prepareContext, type Registry } from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";

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
 * The gateway's image by digest: the key `serverImage`, or without this key an image built from this
 * repository.
 */
export function gatewayImage(
  { serverImage }: StackConfig,
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> {
  return serverImage === undefined ? build("gateway", "server", registry, opts) : pulumi.output(serverImage);
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
): pulumi.Output<string> {
  const source = prepareContext(
    { root: ROOT, dockerfile: `${folder}/Dockerfile`, buildArgs: BUILD_IMAGES },
    CONTEXTS,
  );
  return new ContainerImage(`${image}-image`, { image, registry: registry.images, source }, opts).digest;
}
