/** Faults of the gateway, the client and the publisher that `npm run chaos` must find. */

export interface Mutant {
  name: string;
  /** From the root of the repository. */
  file: string;
  /** Text that occurs once in the file, and what replaces it. */
  from: string;
  to: string;
  /** A part of the violation that shows the fault. */
  found: RegExp;
}

const MISSING = /is missing, and nothing was reported/;

export const MUTANTS: readonly Mutant[] = [
  {
    name: "client: delivers a message twice that a second resume brings",
    file: "client/src/course.ts",
    from: "if (!this.#seen.add(offset)) return;",
    to: "this.#seen.add(offset);",
    found: /came twice/,
  },
  {
    name: "client: does not report that the history was too short",
    file: "client/src/course.ts",
    from: 'this.#effects.refetch("history");',
    to: "",
    found: MISSING,
  },
  {
    name: "client: does not report another stream",
    file: "client/src/course.ts",
    from: 'if (!known) this.#effects.refetch("epoch");',
    to: "",
    found: MISSING,
  },
  {
    name: "client: resumes two messages too far",
    file: "client/src/course.ts",
    from: "return { epoch, offset: this.#gapFrom, ",
    to: "return { epoch, offset: this.#gapFrom + 2, ",
    found: /is missing, and|although no message was lost/,
  },
  {
    name: "client: passes a gap that the replay did not fill",
    file: "client/src/course.ts",
    from: "if (this.#nextSeq <= to_seq) this.#requestRefill();\n    else this.#deliverInOrder();",
    to: "this.#nextSeq = Math.max(this.#nextSeq, to_seq + 1);\n    this.#deliverInOrder();",
    found: /is missing, and|invalid_message/,
  },
  {
    name: "client: does not fetch what was dropped while it was slow",
    file: "client/src/course.ts",
    from: "if (this.#dropped) this.#requestRefill();",
    to: "if (this.#dropped) this.#gapFrom = NO_GAP;",
    found: MISSING,
  },
  {
    name: "client: keeps a connection that is silent",
    file: "client/src/pulse.ts",
    from: 'if (this.#heardAt < at) return this.#lose("silent");',
    to: "",
    found: /not everybody had everything|is missing/,
  },
  {
    name: "gateway: a resume repeats what the connection was sent",
    file: "server/src/connection/resume.ts",
    from: "if (sent && !this.#connection.lacks(message.offset)) return;",
    to: "",
    found: /the gateway sent (offset|seq)/,
  },
  {
    name: "gateway: a resume leaves out its newest message",
    file: "server/src/connection/commands.ts",
    from: "...values, ...(found ?? [])]",
    to: "...values, ...(found ?? []).slice(0, -1)]",
    found: MISSING,
  },
  {
    name: "gateway: says that each resume is complete",
    file: "server/src/connection/commands.ts",
    from: "recovered: found !== undefined,",
    to: "recovered: true,",
    found: MISSING,
  },
  {
    name: "gateway: the history believes that it has what it has removed",
    file: "server/src/delivery/history.ts",
    from: "this.#floor = oldest.offset;",
    to: "",
    found: MISSING,
  },
  {
    name: "gateway: drops one message of 500",
    file: "server/src/connection/connection.ts",
    from: "if (this.#closing || !this.#intake.takes(message)) return false;",
    to: "if (this.#closing || !this.#intake.takes(message) || message.offset % 500 === 0) return false;",
    found: MISSING,
  },
  {
    name: "gateway: a message without room in the buffer takes no sequence",
    file: "server/src/connection/connection.ts",
    from: "const seq = this.#outbox.number(message);\n    this.#markSent(message);\n    if (full && !conflating) {",
    to: "const seq = full ? 0 : this.#outbox.number(message);\n    this.#markSent(message);\n    if (full && !conflating) {",
    // The client knows of no gap, and asks for nothing: its position stays, and leaves the history.
    found: /is missing, and nothing was reported|although no message was lost/,
  },
  {
    name: "gateway: does not announce another stream",
    file: "server/src/gateway.ts",
    from: 'connection.announce("another stream has begun: offsets restart, fetch the current state");',
    to: "",
    found: /the gateway sent (offset|seq)|is missing, and|came twice/,
  },
  {
    name: "gateway: reads on three messages too far after a loss of NATS",
    file: "server/src/source/jetstream.ts",
    from: "createConsumer(manager, this.#settings, Math.max(1, cursor.seq))",
    to: "createConsumer(manager, this.#settings, Math.max(1, cursor.seq + 4))",
    found: /although no message was lost|is missing/,
  },
  {
    name: "publisher: sends nothing again when an acknowledgement is lost",
    file: "publisher/src/publisher.ts",
    from: "if (!this.#link.isUp) return;\n    const { ackTimeoutMs }",
    to: "if (this.#link.isUp) return;\n    const { ackTimeoutMs }",
    found: /not known to be stored/,
  },
  {
    name: "publisher: sends no message id",
    file: "publisher/src/nats/link.ts",
    from: "all.set(HEADER.messageId, event.messageId);",
    to: "",
    // The message that is stored twice has two offsets.
    found: /came twice|came as S/,
  },
  {
    name: "publisher: gives up what NATS cannot store now",
    file: "publisher/src/publisher.ts",
    from: 'if (kind === "refused") this.#refuse(key, reason);',
    to: 'if (kind !== "missing") this.#refuse(key, reason);',
    found: /not known to be stored/,
  },
];
