import * as command from "@pulumi/command";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { CLIENT_PORT_NAME, PORTS } from "../ports.ts";
import type { Site } from "../site.ts";

/** How a new template is tried. */
export interface CanaryArgs {
  /**
   * Command that starts gateways in the canary's group, compares them with the other gateways, and empties
   * the group. When the command fails, the update fails before it has changed any other gateway. The command
   * runs on the machine that deploys, for each new template. It finds CANARY_REGION, CANARY_GATEWAYS,
   * CANARY_GROUP and TEMPLATE in its environment.
   */
  command: string;
  /**
   * More environment variables of the command. All values are stored as secrets. A changed value runs the
   * command again.
   */
  environment: Record<string, pulumi.Input<string>>;
}

/** Arguments of {@link GatewayCanary}. */
export interface GatewayCanaryArgs extends CanaryArgs {
  site: Site;
  /** Zones of the gateways. */
  zones: string[];
  /** URL of the new template. */
  template: pulumi.Input<string>;
  /** Beginning of the names of the other gateways' VMs. */
  gateways: string;
  /** Resources that have to be ready before a gateway starts. */
  after: pulumi.Resource[];
}

/**
 * A group for gateways that try a new template. The group is empty except during an update, and has no
 * autoscaler and no autohealing: a gateway that fails must be seen to fail. docs/decisions.md says why the
 * canary is not a second version of the other gateways' group.
 */
export class GatewayCanary extends pulumi.ComponentResource {
  /** URL of the group, for backend services. */
  readonly instanceGroup: pulumi.Output<string>;

  /** @param name for example `gateway-canary` */
  constructor(name: string, args: GatewayCanaryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:GatewayCanary", name, {}, opts);
    const { site, zones, template } = args;
    const group = new gcp.compute.RegionInstanceGroupManager(
      `${name}-group`,
      {
        project: site.project,
        region: site.region,
        description: "gateways that try a new template; empty except during an update",
        baseInstanceName: `${site.prefix}-canary`,
        versions: [{ instanceTemplate: template }],
        distributionPolicyZones: zones,
        distributionPolicyTargetShape: "EVEN",
        targetSize: 0,
        namedPorts: [{ name: CLIENT_PORT_NAME, port: PORTS.clients }],
        updatePolicy: updatePolicy(zones),
        waitForInstances: false,
      },
      {
        parent: this,
        dependsOn: args.after,
        ignoreChanges: ["targetSize"], // the command sets the size
        customTimeouts: { delete: "60m" }, // the provider waits until the gateways are drained and deleted
      },
    );
    new command.local.Command(
      `${name}-judge`,
      {
        create: args.command,
        update: args.command,
        environment: {
          CANARY_REGION: `projects/${site.project}/regions/${site.region}`,
          CANARY_GATEWAYS: args.gateways,
          CANARY_GROUP: group.id,
          TEMPLATE: template,
          ...Object.fromEntries(
            Object.entries(args.environment).map(([variable, value]) => [variable, pulumi.secret(value)]),
          ),
        },
        addPreviousOutputInEnv: false,
      },
      { parent: this, additionalSecretOutputs: ["environment"] },
    );
    this.instanceGroup = group.instanceGroup;
    this.registerOutputs({ instanceGroup: this.instanceGroup });
  }
}

/** How a group of gateways changes its VMs to another template. */
export function updatePolicy(
  zones: readonly string[],
): gcp.types.input.compute.RegionInstanceGroupManagerUpdatePolicy {
  return {
    type: "PROACTIVE",
    // Changed metadata alone are refreshed on running VMs, which watch them. Other changes replace the VMs.
    minimalAction: "REFRESH",
    mostDisruptiveAllowedAction: "REPLACE",
    replacementMethod: "SUBSTITUTE",
    maxSurgeFixed: zones.length, // a regional group accepts 0, or at least the number of zones
    maxUnavailableFixed: 0,
    // Time between the first success of `/live` and that of `/health`: the gateway reads the 30 s that the
    // stream holds, and the load balancer probes twice. The group removes old gateways after that.
    minReadySec: 60,
    // A regional group that scales in has to redistribute. It moves a VM only when two zones differ by two
    // VMs or more.
    instanceRedistributionType: "PROACTIVE",
  };
}
