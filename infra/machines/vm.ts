import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { internalAddress } from "../network/internal-address.ts";
import { roleLabels, type Site } from "../site.ts";
import { type BootArgs, bootMetadata } from "./boot.ts";
import { DataDisk } from "./data-disk.ts";

/** Arguments of {@link Vm}. */
export interface VmArgs {
  site: Site;
  /** What runs on it. Changes reach the running VM: its script waits for them. Nothing in here may be a secret. */
  boot: BootArgs;
  /** Id of the subnet. */
  subnet: pulumi.Input<string>;
  zone: string;
  /** For example `e2-small`. A change stops and starts the VM. */
  machineType: string;
  /** Exact image of project cos-cloud, for example `cos-133-19999-44-85`. A change replaces the VM. */
  cosImage: string;
  /** E-mail of the service account. */
  account: pulumi.Input<string>;
  /** A reserved address of the subnet. Default: reserves one. */
  address?: pulumi.Input<string>;
  /** Default: none. The script finds it as /dev/disk/by-id/google-data, which its setting `odin-data-device` says. */
  dataDisk?: { sizeGb: number; snapshots: boolean };
  /** Cheaper, and stopped whenever Google wants the machine back. Default false. */
  spot?: boolean;
  /**
   * Command that waits until the VM has started, run here after each change; it finds PROJECT, ZONE, INSTANCE and REVISION in its
   * environment. REVISION is the attribute `odin-revision` of the VM, another one for every other metadata. Default: nobody waits.
   */
  startupCheck?: string;
  /** What has to be there before this VM is touched. Another {@link Vm} has to be ready: so they change one after the other. Default: nothing. */
  after?: pulumi.Resource[];
}

/** One VM on Container-Optimized OS with a fixed name and a fixed internal address, and without a public one. */
export class Vm extends pulumi.ComponentResource {
  /** Stays when the VM is replaced. */
  readonly address: pulumi.Output<string>;
  /** Number that changes when the VM is replaced. */
  readonly instanceId: pulumi.Output<string>;
  /** As the cloud calls it, for example `odin-prod-nats`. */
  readonly instance: string;
  /** The VM's name, as soon as the start-up check has passed. */
  readonly ready: pulumi.Output<string>;

  constructor(name: string, args: VmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Vm", name, {}, opts);
    const { site, boot, zone, subnet } = args;
    const { role } = boot;
    this.instance = `${site.prefix}-${name}`;
    this.address = pulumi.output(
      args.address ?? internalAddress(`${name}-address`, { site, subnet, role }, this),
    );
    const disk =
      args.dataDisk && new DataDisk(`${name}-data`, { site, role, zone, ...args.dataDisk }, { parent: this });
    const device = disk ? { "data-device": DATA_DEVICE } : {};
    const metadata = bootMetadata({ ...boot, settings: { ...boot.settings, ...device } });
    const revision = revisionOf(metadata);
    const instance = new gcp.compute.Instance(
      name,
      {
        name: this.instance,
        description: `${role} of ${site.prefix}`,
        machineType: args.machineType,
        project: site.project,
        zone,
        labels: roleLabels(site, role),
        bootDisk: {
          autoDelete: true,
          initializeParams: {
            image: `projects/cos-cloud/global/images/${args.cosImage}`,
            type: "pd-balanced",
            size: BOOT_DISK_GB,
            labels: roleLabels(site, role),
          },
        },
        attachedDisks: disk ? [{ source: disk.selfLink, deviceName: DATA_DEVICE, mode: "READ_WRITE" }] : [],
        networkInterfaces: [{ subnetwork: subnet, networkIp: this.address }],
        serviceAccount: {
          email: args.account,
          scopes: ["https://www.googleapis.com/auth/cloud-platform"], // what it may do is in its roles
        },
        shieldedInstanceConfig: {
          enableSecureBoot: true,
          enableVtpm: true,
          enableIntegrityMonitoring: true,
        },
        scheduling: args.spot ? SPOT : STANDARD,
        allowStoppingForUpdate: true,
        // with the script in here a change of it is an update; as `metadataStartupScript` it would replace the VM
        metadata: { ...metadata, "odin-revision": revision },
      },
      {
        parent: this,
        // name, address and data disk cannot be held by two VMs
        deleteBeforeReplace: true,
        dependsOn: args.after ?? [],
      },
    );
    this.instanceId = instance.instanceId;
    this.ready = instance.name;
    if (args.startupCheck !== undefined) {
      const check = new command.local.Command(
        `${name}-startup`,
        {
          create: args.startupCheck,
          update: args.startupCheck, // without it a trigger would replace the resource
          environment: { PROJECT: site.project, ZONE: zone, INSTANCE: this.instance, REVISION: revision },
          triggers: [instance.instanceId, revision],
          addPreviousOutputInEnv: false,
        },
        { parent: this },
      );
      this.ready = check.stdout.apply(() => this.instance);
    }
    this.registerOutputs({ address: this.address, instanceId: this.instanceId, ready: this.ready });
  }
}

const BOOT_DISK_GB = 20; // the system takes 6, the images of Prometheus, Loki and Grafana 2
const DATA_DEVICE = "data";

const STANDARD = { provisioningModel: "STANDARD", automaticRestart: true, onHostMaintenance: "MIGRATE" };
const SPOT = {
  provisioningModel: "SPOT",
  preemptible: true,
  automaticRestart: false,
  onHostMaintenance: "TERMINATE",
  instanceTerminationAction: "STOP",
};

/** Another text for every other metadata, whatever the order of its keys. */
function revisionOf(metadata: Record<string, pulumi.Input<string>>): pulumi.Output<string> {
  return pulumi.output(metadata).apply((known) =>
    createHash("sha256")
      .update(JSON.stringify(Object.entries(known).sort(([one], [other]) => (one < other ? -1 : 1))))
      .digest("hex")
      .slice(0, 16),
  );
}
