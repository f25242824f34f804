import * as command from "@pulumi/command";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { internalAddress } from "../network/internal-address.ts";
import { roleLabels, type Site } from "../site.ts";
import { type BootArgs, bootMetadata, withRevision } from "./boot.ts";
import { BOOT_DISK, cosImagePath } from "./boot-disk.ts";
import { DataDisk } from "./data-disk.ts";
import { scheduling } from "./scheduling.ts";

/** Arguments of {@link Vm}. */
export interface VmArgs {
  site: Site;
  /** What runs on the VM. A running VM applies changes by itself. Nothing in here may be a secret. */
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
  /** A reserved address of the subnet. Default: the VM reserves one. */
  address?: pulumi.Input<string> | undefined;
  /**
   * Default: no data disk. The start-up script finds the disk as /dev/disk/by-id/google-data; the attribute
   * `odin-data-device` has the name `data`.
   */
  dataDisk?: { sizeGb: number; snapshots: boolean } | undefined;
  /** A cheaper VM, which Google may stop at any time. Default: false. */
  spot?: boolean | undefined;
  /**
   * Command that waits until the VM has started. The command runs on the machine that deploys, after each
   * change. It finds PROJECT, ZONE, INSTANCE and REVISION in its environment; REVISION is the VM's attribute
   * `odin-revision`, which differs for each set of metadata. Default: nothing waits for the VM.
   */
  startupCheck?: string | undefined;
  /**
   * Resources that have to exist before this VM is created or changed. A {@link Vm} among them has to be
   * ready, so that VMs change one after the other. Default: none.
   */
  after?: pulumi.Resource[] | undefined;
}

/**
 * One VM on Container-Optimized OS with a fixed name and a fixed internal address, and without a public one.
 */
export class Vm extends pulumi.ComponentResource {
  /** Internal address, which stays when the VM is replaced. */
  readonly address: pulumi.Output<string>;
  /** Number that changes when the VM is replaced. */
  readonly instanceId: pulumi.Output<string>;
  /** Name in the cloud, for example `odin-prod-nats`. */
  readonly instance: string;
  readonly selfLink: pulumi.Output<string>;
  /** The VM's name in the cloud, known when the start-up check has passed. */
  readonly ready: pulumi.Output<string>;
  /** The resource that is created last: the start-up check, or the VM without a check. */
  readonly last: pulumi.Resource;

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
    const metadata = withRevision(bootMetadata({ ...boot, settings: { ...boot.settings, ...device } }));
    const revision = metadata["odin-revision"];
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
            image: cosImagePath(args.cosImage),
            type: BOOT_DISK.type,
            size: BOOT_DISK.sizeGb,
            labels: roleLabels(site, role),
          },
        },
        attachedDisks: disk ? [{ source: disk.selfLink, deviceName: DATA_DEVICE, mode: "READ_WRITE" }] : [],
        networkInterfaces: [{ subnetwork: subnet, networkIp: this.address }],
        serviceAccount: {
          email: args.account,
          scopes: ["https://www.googleapis.com/auth/cloud-platform"], // roles limit what the account may do
        },
        shieldedInstanceConfig: {
          enableSecureBoot: true,
          enableVtpm: true,
          enableIntegrityMonitoring: true,
        },
        scheduling: scheduling(args.spot ?? false),
        allowStoppingForUpdate: true,
        // The start-up script is part of the metadata, because a changed `metadataStartupScript` would
        // replace the VM.
        metadata,
      },
      {
        parent: this,
        // Two VMs cannot have the same name, address and data disk at the same time.
        deleteBeforeReplace: true,
        dependsOn: args.after ?? [],
      },
    );
    this.instanceId = instance.instanceId;
    this.selfLink = instance.selfLink;
    this.ready = instance.name;
    this.last = instance;
    if (args.startupCheck !== undefined) {
      const check = new command.local.Command(
        `${name}-startup`,
        {
          create: args.startupCheck,
          update: args.startupCheck, // without `update` a changed trigger would replace the resource
          environment: { PROJECT: site.project, ZONE: zone, INSTANCE: this.instance, REVISION: revision },
          triggers: [instance.instanceId, revision],
          addPreviousOutputInEnv: false,
        },
        { parent: this },
      );
      this.ready = check.stdout.apply(() => this.instance);
      this.last = check;
    }
    this.registerOutputs({ address: this.address, instanceId: this.instanceId, ready: this.ready });
  }
}

const DATA_DEVICE = "data";
