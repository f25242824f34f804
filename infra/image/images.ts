/**
 * Third-party images. Each has a tag for people and a digest (of the image's list of platforms), which
 * machines use. Servers that the tests run configuration and rules against have the same minor version here
 * and in the tests.
 *
 * To take another version: `node tools/outdated.ts` prints the newer versions with their digests
 * (.github/workflows/outdated.yml runs the command each week). Read the release notes, change tag and digest
 * here, and deploy to staging first. Each new value makes a new instance template, so the machines that run
 * the image are rolled out.
 */
export const IMAGES = {
  /** This image has no shell. Its entry point is `/nats-server`. */
  nats: "docker.io/library/nats:2.15.0@sha256:cd3fcd4ecdda44e3a66728a5334af0a959bc3979b32810e033d1c547241cd0f4",
  "nats-exporter":
    "docker.io/natsio/prometheus-nats-exporter:0.11.0@sha256:31c02aac089a0e9bc5cd9bd1726064f8c6bfa771acbef85a8be88a687e87daba",
  prometheus:
    "docker.io/prom/prometheus:v3.8.1@sha256:2b6f734e372c1b4717008f7d0a0152316aedd4d13ae17ef1e3268dbfaf68041b",
  alertmanager:
    "docker.io/prom/alertmanager:v0.28.1@sha256:27c475db5fb156cab31d5c18a4251ac7ed567746a2483ff264516437a39b15ba",
  loki: "docker.io/grafana/loki:3.5.5@sha256:31628519045e7f28692a7ae73b4a3fd293dccb425585ed5d16ceea3b5c9592e6",
  grafana:
    "docker.io/grafana/grafana:13.2.1@sha256:f772d434e8fab0049deb2b1b30abd43342bcfca1537614aa8d36080232cf4283",
  alloy:
    "docker.io/grafana/alloy:v1.19.2@sha256:b8ec653c44235fbe910879145dac3597d66b0aaecf60bcbbe82580767771a839",
} as const;

/**
 * Images that the gateway's image is built with and based on. They are build arguments of server/Dockerfile,
 * which has the same tags without digests. The digests matter: with a tag that moved, the same sources would
 * make another image. The machine that deploys pulls these images directly from their registries.
 */
export const BUILD_IMAGES = {
  NODE_IMAGE:
    "docker.io/library/node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe",
  BASE_IMAGE:
    "gcr.io/distroless/nodejs24-debian13:nonroot@sha256:9eeb7f5887d0e239e78264b06f7f11d2e14be534050481803a9e4728fcdd278e",
} as const;
