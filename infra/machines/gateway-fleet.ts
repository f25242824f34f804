import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { refuse } from "../argument-mistakes.ts";
import { CLIENT_PORT_NAME, PORTS } from "../ports.ts";
import { roleLabels, type Site } from "../site.ts";
import { type BootArgs, bootMetadata } from "./boot.ts";
import { fleetMistakes } from "./fleet-mistakes.ts";
import { CONNECTIONS_METRIC, connectionsMetric } from "./metric-descriptor.ts";

/**
 * What a gateway may do in the project: write its log and its metric, and ask its group whether it is to leave. A role of our own would
 * be narrower than the viewer's, see docs/decisions.md.
 */
export const GATEWAY_ROLES = [
  "roles/logging.logWriter",
  "roles/monitoring.metricWriter",
  "roles/compute.viewer",
];

/** Arguments of {@link GatewayFleet}. */
export interface GatewayFleetArgs {
  site: Site;
  /** Subnet in the site's region. The VMs have no public address, so it needs a NAT. */
  subnet: pulumi.Input<string>;
  /** Zones of the site's region, at least one. Another list replaces the group. */
  zones: string[];
  /** For example `e2-standard-2`. */
  machineType: string;
  /** Exact image in project cos-cloud, for example `cos-133-19999-44-85`; not a family. */
  cosImage: string;
  /** E-mail of the service account that the gateways run under. */
  account: pulumi.Input<string>;
  /** What the start-up script reads. `drain-seconds` is added. Any change replaces all gateways, one wave of zones after another. */
  boot: Omit<BootArgs, "role">;
  /** Gateways at least, from 1. */
  minInstances: number;
  /** Gateways at most, from `minInstances`. */
  maxInstances: number;
  /** Average CPU of the gateways to keep, as a part of 1, for example 0.6. */
  cpuTarget: number;
  /** Average connections of a gateway to keep, for example 8000. */
  connectionsTarget: number;
  /** At most one gateway is taken away in this time, in minutes from 1 to 60, and not before the load has been low for as long. */
  scaleInMinutes: number;
  /** How long a gateway takes to send its clients away, in seconds: 0 to 100, with `spot` 0 to 20. */
  drainSeconds: number;
  /** Cheaper VMs that Google may take away at any time. Default: false. */
  spot?: boolean;
}

/**
 * The gateways: an instance template, a regional managed instance group over the given zones with auto-healing and rolling updates,
 * and its autoscaler. Limits and targets are inputs of the autoscaler alone: changing them is one update and moves no VM.
 *
 * Template, group and autoscaler have no names of their own. Pulumi then adds a random part and creates a replacement before it
 * deletes the old one: a template in use cannot be deleted, and a second group of the same name cannot be created. `namePrefix`
 * would not do: with it the provider deletes first (pulumi-terraform-bridge, nameRequiresDeleteBeforeReplace).
 */
export class GatewayFleet extends pulumi.ComponentResource {
  /** URL of the group, for backend services. */
  readonly instanceGroup: pulumi.Output<string>;
  /**
   * URL of the template that all gateways run, known only when the group has replaced every VM and the autoscaler is there. Who uses
   * it comes after the rollout, and as a trigger it changes with each rollout and with nothing else. When the stack is new the
   * autoscaler has just been told to start the first gateways: these must still be waited for.
   */
  readonly stable: pulumi.Output<string>;
  /** URL of the template with its unique id, known as soon as it is created. */
  readonly template: pulumi.Output<string>;

  /**
   * @param name the fleet's role in logical names
   * @throws pulumi.InputPropertiesError for arguments that are out of their range or contradict each other
   */
  constructor(name: string, args: GatewayFleetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:GatewayFleet", name, {}, opts);
    refuse(`gateway fleet "${name}"`, fleetMistakes(args));
    const { site } = args;
    const template = new gcp.compute.InstanceTemplate(`${name}-template`, templateArgs(args), {
      parent: this,
    });
    const alive = new gcp.compute.HealthCheck(`${name}-live`, autohealingCheck(site), { parent: this });
    const group = new gcp.compute.RegionInstanceGroupManager(
      `${name}-group`,
      groupArgs(args, template.selfLinkUnique, alive.id),
      {
        parent: this,
        protect: site.production,
        // Each wave of an update takes boot, minReadySec, draining and shutdown: about 8 minutes. Room for seven waves.
        customTimeouts: { create: "60m", update: "60m", delete: "60m" },
      },
    );
    const metric = connectionsMetric(`${name}-connections`, site, { parent: this });
    const autoscaler = new gcp.compute.RegionAutoscaler(
      `${name}-autoscaler`,
      {
        project: site.project,
        region: site.region,
        description: "gateways by CPU and connections",
        target: group.id,
        autoscalingPolicy: autoscalingPolicy(args),
      },
      { parent: this, dependsOn: [metric] },
    );
    this.instanceGroup = group.instanceGroup;
    this.template = template.selfLinkUnique;
    this.stable = pulumi
      .all([template.selfLinkUnique, group.id, autoscaler.id])
      .apply(([selfLinkUnique]) => selfLinkUnique);
    this.registerOutputs({
      instanceGroup: this.instanceGroup,
      stable: this.stable,
      template: this.template,
    });
  }
}

function templateArgs(args: GatewayFleetArgs): gcp.compute.InstanceTemplateArgs {
  const { site, boot, drainSeconds } = args;
  const labels = roleLabels(site, "gateway");
  return {
    project: site.project,
    region: site.region,
    description: "gateway",
    instanceDescription: "gateway",
    machineType: args.machineType,
    disks: [
      {
        boot: true,
        autoDelete: true,
        sourceImage: `projects/cos-cloud/global/images/${args.cosImage}`,
        diskType: "pd-balanced",
        diskSizeGb: 20, // the system's 10 GB, the images, and a day of journal
        labels,
      },
    ],
    networkInterfaces: [{ subnetwork: args.subnet }], // no access config: no public address
    canIpForward: false,
    serviceAccount: { email: args.account, scopes: ["cloud-platform"] }, // what it may do is up to IAM
    shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
    scheduling: scheduling(args.spot ?? false),
    labels,
    metadata: bootMetadata({
      ...boot,
      role: "gateway",
      settings: { ...boot.settings, "drain-seconds": String(drainSeconds) },
    }),
  };
}

function scheduling(spot: boolean): gcp.types.input.compute.InstanceTemplateScheduling {
  if (!spot) return { provisioningModel: "STANDARD", automaticRestart: true, onHostMaintenance: "MIGRATE" };
  return {
    provisioningModel: "SPOT",
    preemptible: true,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "STOP", // the group finds it stopped and makes a new one when there is room
  };
}

/**
 * Whether the process still turns; a full or leaving gateway does. Far laxer than the load balancer's check: a wrong verdict costs
 * ten thousand connections. A gateway is replaced after two minutes of silence.
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
  { site, zones }: GatewayFleetArgs,
  instanceTemplate: pulumi.Input<string>,
  healthCheck: pulumi.Input<string>,
): gcp.compute.RegionInstanceGroupManagerArgs {
  return {
    project: site.project,
    region: site.region,
    description: "gateways",
    baseInstanceName: `${site.prefix}-gateway`,
    versions: [{ instanceTemplate }],
    distributionPolicyZones: zones,
    distributionPolicyTargetShape: "EVEN", // the only shape that can be autoscaled
    // No targetSize: the autoscaler decides.
    namedPorts: [{ name: CLIENT_PORT_NAME, port: PORTS.clients }],
    autoHealingPolicies: {
      healthCheck,
      // Boot, two images, retries of a slow registry. A success ends it, so it only delays the second try of a VM that never starts.
      initialDelaySec: 300,
    },
    updatePolicy: {
      type: "PROACTIVE",
      minimalAction: "REPLACE",
      mostDisruptiveAllowedAction: "REPLACE",
      replacementMethod: "SUBSTITUTE",
      maxSurgeFixed: zones.length, // of a regional group: 0 or at least the number of zones
      maxUnavailableFixed: 0,
      // From `/live` to `/health`: reading the 30 s that the stream holds, and two probes of the load balancer. Old ones go after that.
      minReadySec: 60,
      // A regional group that scales in must redistribute. It moves a VM only when two zones differ by two or more.
      instanceRedistributionType: "PROACTIVE",
    },
    waitForInstances: true,
    waitForInstancesStatus: "UPDATED",
  };
}

/**
 * The largest of both recommendations wins, so one is taken away only when CPU and connections of the rest would stay below their
 * targets, over the whole stabilization period.
 */
function autoscalingPolicy(
  args: GatewayFleetArgs,
): gcp.types.input.compute.RegionAutoscalerAutoscalingPolicy {
  const scaleInSeconds = args.scaleInMinutes * 60;
  return {
    mode: "ON",
    minReplicas: args.minInstances,
    maxReplicas: args.maxInstances,
    cooldownPeriod: 120, // boot, pull and warm history; the CPU of a VM in this time is not load
    stabilizationPeriod: scaleInSeconds,
    scaleInControl: { maxScaledInReplicas: { fixed: 1 }, timeWindowSec: scaleInSeconds },
    cpuUtilization: { target: args.cpuTarget, predictiveMethod: "NONE" },
    // Per VM on gce_instance, which takes neither a filter on it nor a singleInstanceAssignment.
    metrics: [{ name: CONNECTIONS_METRIC, target: args.connectionsTarget, type: "GAUGE" }],
  };
}
