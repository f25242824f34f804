import type * as gcp from "@pulumi/gcp";
import { roleLabels } from "../site.ts";
import { bootMetadata, withRevision } from "./boot.ts";
import { BOOT_DISK, cosImagePath } from "./boot-disk.ts";
import type { GatewayFleetArgs } from "./gateway-fleet-args.ts";
import { scheduling } from "./scheduling.ts";

/**
 * Name of the boot disk. A VM whose boot disk differs from that of a new template can only be replaced, so
 * the name decides what is not applied in place: another machine type, for which the group would otherwise
 * stop the VM and start it again, and templates of earlier versions, which had no name and whose VMs do not
 * watch their metadata.
 */
const bootDevice = (machineType: string) => `boot-${machineType}`;

/**
 * The template of a fleet's VMs.
 *
 * @param turnBucket name of the bucket with which the gateways take turns
 */
export function templateArgs(args: GatewayFleetArgs, turnBucket: string): gcp.compute.InstanceTemplateArgs {
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
        deviceName: bootDevice(args.machineType),
        autoDelete: true,
        sourceImage: cosImagePath(args.cosImage),
        diskType: BOOT_DISK.type,
        diskSizeGb: BOOT_DISK.sizeGb,
        labels,
      },
    ],
    networkInterfaces: [{ subnetwork: args.subnet }], // no access config: no public address
    canIpForward: false,
    serviceAccount: { email: args.account, scopes: ["cloud-platform"] }, // roles limit what the VM may do
    shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
    scheduling: scheduling(args.spot ?? false),
    labels,
    metadata: withRevision(
      bootMetadata({
        ...boot,
        role: "gateway",
        settings: {
          ...boot.settings,
          "drain-seconds": String(drainSeconds),
          "turn-bucket": turnBucket,
        },
      }),
    ),
  };
}
