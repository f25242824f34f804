import { fileURLToPath } from "node:url";
import { BUILD_IMAGES, ContainerImage, prepareContext, type Registry } from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONTEXTS = "build/images";

/** The gateway's image by digest: `serverImage` where the configuration has one, else built of this repository. */
export function gatewayImage(
  { serverImage }: StackConfig,
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> {
  return serverImage === undefined ? build("gateway", "server", registry, opts) : pulumi.output(serverImage);
}

/** The publisher of the capacity test, by digest. */
export function publisherImage(
  registry: Registry,
  opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> {
  return build("publisher", "publisher", registry, opts);
}

/** The load generator of the capacity test, by digest. */
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
