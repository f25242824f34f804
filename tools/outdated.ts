import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_IMAGES, IMAGES } from "../infra/image/images.ts";

// Which pinned images of VMs and containers have successors: a line each, with what to write in their place.
//   node tools/outdated.ts [--cos]
// Asks the registries, without a login, through crane (tools/modules/crane), which needs Go. --cos asks for the image of the VMs too, which
// needs gcloud with any login. outdated.yml does both each week. Prints nothing when all is new; fails when it cannot ask.

const ROOT = join(import.meta.dirname, "..");

/** Runs a program and returns what it printed. @throws Error when it fails */
export type Ask = (program: string, args: readonly string[]) => string;

/**
 * The newest of the tags that are written like `current`: `v3.8.1` is followed by `v3.10.0`, not by `v4.0.0-rc.1` or `3.9.0`.
 *
 * @param sameMajor whether the first number stays
 */
export function newestTag(current: string, tags: readonly string[], sameMajor = false): string {
  const shape = (tag: string) => tag.replace(/\d+/g, "N");
  const numbers = (tag: string) => (tag.match(/\d+/g) ?? []).map(Number);
  const alike = tags.filter(
    (tag) => shape(tag) === shape(current) && (!sameMajor || numbers(tag)[0] === numbers(current)[0]),
  );
  return alike.reduce((best, tag) => (compare(numbers(tag), numbers(best)) > 0 ? tag : best), current);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, index) => number !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** Lines for the images of infra/image/images.ts. @param images by name, each `REPOSITORY:TAG@sha256:DIGEST` */
export function outdatedImages(images: Readonly<Record<string, string>>, ask: Ask): string[] {
  return Object.entries(images).flatMap(([name, image]) => {
    const [, repository = "", tag = "", digest = ""] =
      /^(.+):([^:@]+)@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
    if (!digest) throw new Error(`${name} is ${image}: not REPOSITORY:TAG@sha256:DIGEST`);
    const tags = ask("crane", ["ls", repository]).split("\n").filter(Boolean);
    // Of Node the major is that of the image it runs on, and of package.json.
    const newest = newestTag(tag, tags, name === "NODE_IMAGE");
    const now = ask("crane", ["digest", `${repository}:${newest}`]).trim();
    return newest === tag && now === digest
      ? []
      : [`${name}: ${tag} -> ${repository}:${newest}@${now} (infra/image/images.ts)`];
  });
}

/** A line for the image of the VMs, `cos-133-19999-44-85`, when its milestone has a newer one. */
export function outdatedCos(pinned: string, ask: Ask): string[] {
  const milestone = /^cos-(\d+)(-\d+){3}$/.exec(pinned)?.[1];
  if (milestone === undefined)
    throw new Error(`cosImage is ${pinned}: not an exact image, cos-133-19999-44-85`);
  const family = `cos-${milestone}-lts`;
  const newest = ask("gcloud", [
    ...["compute", "images", "describe-from-family", family],
    ...["--project=cos-cloud", "--format=value(name)"],
  ]).trim();
  return newest === pinned ? [] : [`cosImage: ${pinned} -> ${newest} (Pulumi.yaml)`];
}

/** The default of cosImage in Pulumi.yaml. */
export function pinnedCos(): string {
  const text = readFileSync(join(ROOT, "Pulumi.yaml"), "utf8");
  return /^ {2}cosImage:\n(?: {4}.*\n)*? {4}default: (\S+)$/m.exec(text)?.[1] ?? "";
}

const run: Ask = (program, args) => {
  const crane = [
    "run",
    "-C",
    join(ROOT, "tools/modules/crane"),
    "github.com/google/go-containerregistry/cmd/crane",
  ];
  const [command, all] = program === "crane" ? ["go", [...crane, ...args]] : [program, args];
  return execFileSync(command, all, {
    encoding: "utf8",
    env: { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off" },
    stdio: ["ignore", "pipe", "inherit"],
  });
};

if (import.meta.main) {
  try {
    const lines = outdatedImages({ ...IMAGES, ...BUILD_IMAGES }, run);
    if (process.argv.includes("--cos")) lines.push(...outdatedCos(pinnedCos(), run));
    for (const line of lines) console.log(line);
  } catch (error) {
    console.error(`outdated: ${(error as Error).message}`); // the program has said why
    process.exitCode = 1;
  }
}
