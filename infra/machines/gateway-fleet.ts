import * as command from "@pulumi/command";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { refuse } from "../argument-mistakes.ts";
import { CLIENT_PORT_NAME, PORTS } from "../ports.ts";
import type { Site } from "../site.ts";
import { fleetMistakes } from "./fleet-mistakes.ts";
import { type CanaryArgs, GatewayCanary, updatePolicy } from "./gateway-canary.ts";
import type { GatewayFleetArgs } from "./gateway-fleet-args.ts";
import { templateArgs } from "./gateway-template.ts";
import { CONNECTIONS_METRIC, connectionsMetric } from "./metric-descriptor.ts";
import { TurnBucket } from "./turn-bucket.ts";

/**
 * Roles of a gateway in the project: it writes its log and its metric, and it asks its instance group whether
 * it has to leave. docs/decisions.md says why the last one is the viewer role and not a narrower custom role.
 */
export const GATEWAY_ROLES = [
  "roles/logging.logWriter",
  "roles/monitoring.metricWriter",
  "roles/compute.viewer",
];

/**
 * The gateways: an instance template, a regional managed instance group over the given zones with autohealing
 * and rolling updates, its autoscaler, and a check that waits for each rollout. A change of a limit or of a
 * target updates the autoscaler and nothing else, and replaces no VM.
 *
 * Template, group and autoscaler are created without a name. Pulumi then makes up a name with a random part
 * and creates a replacement before it deletes the old resource. The order matters, because a template in use
 * cannot be deleted, and a second group of the same name cannot be created. The argument `namePrefix` does
 * not help: with it the provider deletes first (pulumi-terraform-bridge, nameRequiresDeleteBeforeReplace).
 */
export class GatewayFleet extends pulumi.ComponentResource {
  /**
   * URL of the group, for backend services. The URL is known when all gateways of the group run, so that no
   * load balancer moves to a new group that is still empty.
   */
  readonly instanceGroup: pulumi.Output<string>;
  /** URL of the canary's group, for the same backend services; undefined without a canary. */
  readonly canaryGroup: pulumi.Output<string> | undefined;
  /**
   * URL of the template that all gateways run, known when the rollout check has passed. A resource that uses
   * this output is therefore created after the rollout. As a trigger the output changes with each rollout and
   * with nothing else.
   */
  readonly stable: pulumi.Output<string>;
  /** Id of the instance group manager. */
  readonly groupId: pulumi.Output<string>;
  /** Id of the autoscaler. */
  readonly autoscalerId: pulumi.Output<string>;
  /** URL of the template with its unique id, known as soon as it is created. */
  readonly template: pulumi.Output<string>;

  /**
   * @param name the fleet's role in logical names
   * @throws pulumi.InputPropertiesError for arguments that are outside of their ranges or contradict each
   * other
   */
  constructor(name: string, args: GatewayFleetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:GatewayFleet", name, {}, opts);
    refuse(`gateway fleet "${name}"`, fleetMistakes(args));
    const { site } = args;
    const turn = new TurnBucket(`${name}-turn`, { site, account: args.account }, { parent: this });
    const template = new gcp.compute.InstanceTemplate(
      `${name}-template`,
      templateArgs(args, turn.bucket), // its name, so that a replaced bucket replaces no template
      { parent: this },
    );
    const canary = args.canary && this.#canary(name, args, args.canary, template);
    this.canaryGroup = canary?.instanceGroup;
    const alive = new gcp.compute.HealthCheck(`${name}-live`, autohealingCheck(site), { parent: this });
    const group = new gcp.compute.RegionInstanceGroupManager(
      `${name}-group`,
      groupArgs(args, template.selfLinkUnique, alive.id),
      {
        parent: this,
        protect: site.production,
        dependsOn: [turn, ...(canary ? [canary] : (args.after ?? []))], // the canary waits for `after`
        ignoreChanges: ["targetSize"], // after the creation the autoscaler sets the size
        // The provider waits until all gateways are drained and deleted.
        customTimeouts: { delete: "60m" },
      },
    );
    const metric =
      args.declaresMetric === false ? [] : [connectionsMetric(`${name}-connections`, site, { parent: this })];
    const autoscaler = new gcp.compute.RegionAutoscaler(
      `${name}-autoscaler`,
      {
        project: site.project,
        region: site.region,
        description: "gateways by CPU and connections",
        target: group.id,
        autoscalingPolicy: autoscalingPolicy(args),
      },
      { parent: this, dependsOn: metric },
    );
    const check = this.#rolloutCheck(name, args.rolloutCheck, group, template, autoscaler);
    // Waits for the check by its id and not by its output, because previews know the id even if the check
    // will run: otherwise a rollout would make every user of these outputs look changed.
    const done = pulumi.all([group.id, autoscaler.id, ...(check ? [check.id] : [])]);
    this.instanceGroup = pulumi.all([group.instanceGroup, done]).apply(([url]) => url);
    this.template = template.selfLinkUnique;
    this.groupId = group.id;
    this.autoscalerId = autoscaler.id;
    this.stable = pulumi.all([template.selfLinkUnique, done]).apply(([selfLinkUnique]) => selfLinkUnique);
    this.registerOutputs({
      instanceGroup: this.instanceGroup,
      stable: this.stable,
      template: this.template,
    });
  }

  #canary(
    name: string,
    { site, zones, after = [] }: GatewayFleetArgs,
    canary: CanaryArgs,
    template: gcp.compute.InstanceTemplate,
  ): GatewayCanary {
    return new GatewayCanary(
      `${name}-canary`,
      { site, zones, template: template.selfLinkUnique, gateways: baseName(site), after, ...canary },
      { parent: this },
    );
  }

  /**
   * Waits for the group, after its autoscaler exists. The provider's own wait (`waitForInstances`) is not
   * used: during an update the provider takes the timeout for creations, which an update cannot set, and
   * gives up after 15 minutes.
   */
  #rolloutCheck(
    name: string,
    check: string | undefined,
    group: gcp.compute.RegionInstanceGroupManager,
    template: gcp.compute.InstanceTemplate,
    autoscaler: gcp.compute.RegionAutoscaler,
  ): command.local.Command | undefined {
    if (check === undefined) return undefined;
    return new command.local.Command(
      `${name}-rollout`,
      {
        create: check,
        update: check, // another environment, and nothing else, runs the check again
        environment: { GROUP: group.id, TEMPLATE: template.selfLinkUnique },
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: [autoscaler] },
    );
  }
}

/** Beginning of the names of the VMs. */
const baseName = (site: Site) => `${site.prefix}-gateway`;

/**
 * Checks whether the gateway's process still answers; a full gateway and a leaving one answer too. The check
 * is far more patient than the load balancer's, because a wrong verdict costs ten thousand connections: a
 * gateway is replaced after it has not answered for two minutes.
 */
function autohealingCheck(site: Site): gcp.compute.HealthCheckArgs {
  return {
    project: site.project,
    name: `${site.prefix}-gateway-live`,
    description: "whether a gateway has to be replaced",
    checkIntervalSec: 20,
    timeoutSec: 10,
    healthyThreshold: 1,
    unhealthyThreshold: 6,
    httpHealthCheck: { port: PORTS.ops, requestPath: "/live" },
  };
}

function groupArgs(
  { site, zones, minInstances }: GatewayFleetArgs,
  instanceTemplate: pulumi.Input<string>,
  healthCheck: pulumi.Input<string>,
): gcp.compute.RegionInstanceGroupManagerArgs {
  return {
    project: site.project,
    region: site.region,
    description: "gateways",
    baseInstanceName: baseName(site),
    versions: [{ instanceTemplate }],
    distributionPolicyZones: zones,
    distributionPolicyTargetShape: "EVEN", // the only shape that an autoscaler supports
    // Only for the creation. Without a size a group starts empty, and an empty group counts as stable.
    targetSize: minInstances,
    namedPorts: [{ name: CLIENT_PORT_NAME, port: PORTS.clients }],
    autoHealingPolicies: {
      healthCheck,
      // Enough for boot, two images and retries of a slow registry. The first success ends the delay, so a
      // long delay only postpones the second attempt of a VM that never starts.
      initialDelaySec: 300,
    },
    updatePolicy: updatePolicy(zones),
    waitForInstances: false, // the rollout check waits
  };
}

/**
 * The autoscaler follows the larger of both recommendations. It removes a gateway only when CPU and
 * connections of the remaining gateways would have stayed below their targets over the whole stabilization
 * period.
 */
function autoscalingPolicy(
  args: GatewayFleetArgs,
): gcp.types.input.compute.RegionAutoscalerAutoscalingPolicy {
  const scaleInSeconds = args.scaleInMinutes * 60;
  return {
    mode: args.drain ? "OFF" : "ON",
    minReplicas: args.minInstances,
    maxReplicas: args.maxInstances,
    cooldownPeriod: 120, // s for boot, image pull and history: CPU in this time says nothing about load
    stabilizationPeriod: scaleInSeconds,
    scaleInControl: { maxScaledInReplicas: { fixed: 1 }, timeWindowSec: scaleInSeconds },
    cpuUtilization: { target: args.cpuTarget, predictiveMethod: "NONE" },
    // A metric of each VM (resource gce_instance) allows neither a filter nor a singleInstanceAssignment.
    metrics: [{ name: CONNECTIONS_METRIC, target: args.connectionsTarget, type: "GAUGE" }],
  };
}
