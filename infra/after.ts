import * as pulumi from "@pulumi/pulumi";

/**
 * Options that make a component and all of its children wait until these resources are created. `dependsOn`
 * alone is not enough: only the component itself would wait, and the engine would create its children at
 * once.
 */
export function after(...resources: pulumi.Resource[]): pulumi.ComponentResourceOptions {
  return {
    transformations: [
      ({ props, opts }) => ({ props, opts: pulumi.mergeOptions(opts, { dependsOn: resources }) }),
    ],
  };
}
