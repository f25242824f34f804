import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

const SNAPSHOT_DAYS = 14; // days that a snapshot is kept
const SNAPSHOT_TIME = "08:00"; // UTC; must be 00:00, 04:00, 08:00, 12:00, 16:00 or 20:00

/** Arguments of {@link DataDisk}. */
export interface DataDiskArgs {
  site: Site;
  /** Role for the labels. */
  role: string;
  zone: string;
  /** Size in GB, of type pd-balanced. A disk can grow in place but never shrink. */
  sizeGb: number;
  /** True: one snapshot a day, kept for 14 days. */
  snapshots: boolean;
}

/** A disk that outlives its VM. */
export class DataDisk extends pulumi.ComponentResource {
  readonly selfLink: pulumi.Output<string>;

  constructor(name: string, args: DataDiskArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:DataDisk", name, {}, opts);
    const { site, role, zone, sizeGb, snapshots } = args;
    const labels = roleLabels(site, role);
    const disk = new gcp.compute.Disk(
      name,
      {
        name: `${site.prefix}-${name}`,
        type: "pd-balanced",
        size: sizeGb,
        project: site.project,
        zone,
        labels,
      },
      { parent: this, protect: site.production },
    );
    if (snapshots) {
      const policy = new gcp.compute.ResourcePolicy(
        `${name}-snapshots`,
        {
          name: `${site.prefix}-${name}-snapshots`,
          description: `daily snapshots of ${site.prefix}-${name}`,
          project: site.project,
          region: site.region,
          snapshotSchedulePolicy: {
            schedule: { dailySchedule: { daysInCycle: 1, startTime: SNAPSHOT_TIME } },
            retentionPolicy: {
              maxRetentionDays: SNAPSHOT_DAYS,
              // A production disk that was deleted by mistake can be restored from its snapshots. In other
              // stacks nothing may remain.
              onSourceDiskDelete: site.production ? "KEEP_AUTO_SNAPSHOTS" : "APPLY_RETENTION_POLICY",
            },
            snapshotProperties: { labels, storageLocations: site.region },
          },
        },
        { parent: this },
      );
      new gcp.compute.DiskResourcePolicyAttachment(
        `${name}-snapshots`,
        { name: policy.name, disk: disk.name, zone, project: site.project },
        { parent: this },
      );
    }
    this.selfLink = disk.selfLink;
    this.registerOutputs({ selfLink: this.selfLink });
  }
}
