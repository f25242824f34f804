import type * as gcp from "@pulumi/gcp";
import { roleLabels, type Site } from "../site.ts";

/** What a bucket is for: the last part of its name, and its label `role`. */
export type BucketUse = "config" | "logs" | "turn";

/** Name of one of a stack's buckets: unique in the world, at most 63 characters. */
export function bucketName({ project, prefix }: Site, use: BucketUse): string {
  return `${project}-${prefix}-${use}`;
}

/**
 * Arguments of a bucket that belongs to the machines of one region. Nobody else can get access to the bucket.
 * Deleted objects are gone at once, and the bucket can be destroyed with its content.
 */
export function bucketArgs(site: Site, use: BucketUse): gcp.storage.BucketArgs {
  return {
    name: bucketName(site, use),
    project: site.project,
    location: site.region.toUpperCase(),
    storageClass: "STANDARD",
    labels: roleLabels(site, use),
    uniformBucketLevelAccess: true,
    publicAccessPrevention: "enforced",
    softDeletePolicy: { retentionDurationSeconds: 0 },
    forceDestroy: true,
  };
}
