import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";
import { bucketArgs, bucketName } from "./bucket.ts";

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
    this.bucket = bucketName(site, "turn");
    const bucket = new gcp.storage.Bucket(`${name}-bucket`, bucketArgs(site, "turn"), { parent: this });
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
