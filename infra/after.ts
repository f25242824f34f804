import * as pulumi from "@pulumi/pulumi";

/**
 * Options that make a component and all of its children wait until these resources are created. `dependsOn`
 * alone is not enough: only the component itself would wait, and the engine would create its children at
 * once.
 */
export function after(...resources: pulumi.Resource[]): pulumi.ComponentResourceOptions {
  return waiting(() => true, resources);
}

const MACHINES = [
  "gcp:compute/instance:Instance",
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager",
];

/**
 * The same for the machines of a component, and for what depends on them. Other children need not wait. When
 * the engine fails to delete a resource, it follows each path from this resource to all that the resource
 * depends on, so each dependency that is not needed multiplies the time until the engine ends.
 */
export function machinesAfter(...resources: pulumi.Resource[]): pulumi.ComponentResourceOptions {
  return waiting((type) => MACHINES.includes(type), resources);
}

function waiting(
  waits: (type: string) => boolean,
  resources: pulumi.Resource[],
): pulumi.ComponentResourceOptions {
  return {
    transformations: [
      ({ type, props, opts }) => ({
        props,
        opts: waits(type) ? pulumi.mergeOptions(opts, { dependsOn: resources }) : opts,
      }),
    ],
  };
}
