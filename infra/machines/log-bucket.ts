import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";
import { bucketArgs, bucketName } from "./bucket.ts";

/**
 * Days that an object is kept after Loki should have deleted it. Objects remain when the monitoring VM was
 * lost together with its list of chunks to delete.
 */
const MARGIN_DAYS = 3;

/** Arguments of {@link LogBucket}. */
export interface LogBucketArgs {
  site: Site;
  /** IAM member of the VM that Loki runs on. */
  writer: pulumi.Input<string>;
  /** Days that Loki keeps logs. */
  keepDays: number;
}

/**
 * A bucket with the chunks and the index of Loki, which survive the monitoring VM, its disk and its zone.
 * Only the VM of Loki may use the bucket.
 *
 * The bucket keeps no old versions and no deleted objects: Loki writes its index again every ten minutes, and
 * each version would be paid for. The bucket can be destroyed with its content. In production it is protected
 * from that, as the data disks are.
 */
export class LogBucket extends pulumi.ComponentResource {
  /** Name of the bucket, known from the start. */
  readonly bucket: string;

  constructor(name: string, args: LogBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:LogBucket", name, {}, opts);
    const { site, writer, keepDays } = args;
    this.bucket = bucketName(site, "logs");
    const bucket = new gcp.storage.Bucket(
      name,
      {
        ...bucketArgs(site, "logs"),
        // The age counts from the last writing of an object, so nothing that Loki still keeps is deleted.
        lifecycleRules: [{ action: { type: "Delete" }, condition: { age: keepDays + MARGIN_DAYS } }],
      },
      { parent: this, protect: site.production },
    );
    new gcp.storage.BucketIAMMember(
      `${name}-writer`,
      { bucket: bucket.name, role: "roles/storage.objectUser", member: writer },
      { parent: this },
    );
    this.registerOutputs({ bucket: this.bucket });
  }
}
