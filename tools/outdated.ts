import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_IMAGES, IMAGES } from "../infra/image/images.ts";

// Finds pinned container images that have newer versions. Prints one line for each, with the text that
// replaces the pin:
//   node tools/outdated.ts [--cos]
// The program reads registries without a login, through crane (tools/modules/crane), which needs Go. With
// --cos it also checks the image of the VMs, which needs gcloud with any login. The workflow outdated.yml
// runs both checks each week. The program prints nothing when every pin is current, and fails when it cannot
// read a registry.

const ROOT = join(import.meta.dirname, "..");

/** Runs a program and returns its standard output. @throws Error when the program fails */
export type Ask = (program: string, args: readonly string[]) => string;

/**
 * The newest of the tags that have the same form as `current`. For `v3.8.1`, the tag `v3.10.0` counts;
 * `v4.0.0-rc.1` and `3.9.0` do not.
 *
 * @param sameMajor whether the first number must stay the same
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

/**
 * One line for each outdated image of infra/image/images.ts.
 *
 * @param images images by name, each as `REPOSITORY:TAG@sha256:DIGEST`
 */
export function outdatedImages(images: Readonly<Record<string, string>>, ask: Ask): string[] {
  return Object.entries(images).flatMap(([name, image]) => {
    const [, repository = "", tag = "", digest = ""] =
      /^(.+):([^:@]+)@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
    if (!digest) throw new Error(`${name} is ${image}: it must have the form REPOSITORY:TAG@sha256:DIGEST`);
    const tags = ask("crane", ["ls", repository]).split("\n").filter(Boolean);
    // The major version of Node must stay that of package.json.
    const newest = newestTag(tag, tags, name === "NODE_IMAGE");
    const now = ask("crane", ["digest", `${repository}:${newest}`]).trim();
    return newest === tag && now === digest
      ? []
      : [`${name}: ${tag} -> ${repository}:${newest}@${now} (infra/image/images.ts)`];
  });
}

/** One line when the milestone of the VMs' image, for example `cos-133-19999-44-85`, has a newer image. */
export function outdatedCos(pinned: string, ask: Ask): string[] {
  const milestone = /^cos-(\d+)(-\d+){3}$/.exec(pinned)?.[1];
  if (milestone === undefined)
    throw new Error(`cosImage is ${pinned}: it must be an exact image, for example cos-133-19999-44-85`);
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
    console.error(`outdated: ${(error as Error).message}`); // the failed program has printed the reason
    process.exitCode = 1;
  }
}
