import * as pulumi from "@pulumi/pulumi";

/**
 * Options for a component of which nothing may be created before all of these are. `dependsOn` alone holds for the component itself, and
 * the engine creates its children meanwhile.
 */
export function after(...resources: pulumi.Resource[]): pulumi.ComponentResourceOptions {
  return {
    transformations: [
      ({ props, opts }) => ({ props, opts: pulumi.mergeOptions(opts, { dependsOn: resources }) }),
    ],
  };
}
