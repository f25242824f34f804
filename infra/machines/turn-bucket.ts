import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link TurnBucket}. */
export interface TurnBucketArgs {
  site: Site;
  /** E-mail of the service account that the gateways run under. */
  account: pulumi.Input<string>;
}

/**
 * A bucket with which gateways take turns when they restart in place (infra/startup/turn.sh). The bucket
 * holds one object of a few bytes, and only while a gateway restarts.
 */
export class TurnBucket extends pulumi.ComponentResource {
  /** Name of the bucket, known from the start. */
  readonly bucket: string;

  constructor(name: string, { site, account }: TurnBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:TurnBucket", name, {}, opts);
    this.bucket = `${site.project}-${site.prefix}-turn`; // unique in the world, at most 63 characters
    const bucket = new gcp.storage.Bucket(
      `${name}-bucket`,
      {
        name: this.bucket,
        project: site.project,
        location: site.region.toUpperCase(),
        storageClass: "STANDARD",
        labels: roleLabels(site, "turn"),
        uniformBucketLevelAccess: true,
        publicAccessPrevention: "enforced",
        softDeletePolicy: { retentionDurationSeconds: 0 },
        forceDestroy: true,
      },
      { parent: this },
    );
    new gcp.storage.BucketIAMMember(
      `${name}-gateway`,
      {
        bucket: bucket.name,
        role: "roles/storage.objectUser",
        member: pulumi.interpolate`serviceAccount:${account}`,
      },
      { parent: this },
    );
    this.registerOutputs({ bucket: this.bucket });
  }
}
