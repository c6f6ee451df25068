/** The streams over which brokers report: one per node, the newest one counts. */
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.ts';
import { LograftError } from '../rpc/error.ts';
import type { Registration } from '../rpc/generated/lograft/v1/Registration.ts';
import type { RegistrationAnswerInput } from '../rpc/generated/lograft/v1/RegistrationAnswer.ts';
import type { MessageStream, StreamEvents } from '../rpc/stream.ts';
import { checkRegistration } from './check-registration.ts';
import type { RouteTable } from './route-table.ts';

const MAX_NODES = 1_000;
/** Streams that have not said who they are yet, and those a newer one replaced. */
const MAX_STREAMS = 2 * MAX_NODES;

interface Reporter {
  readonly stream: MessageStream<RegistrationAnswerInput>;
  readonly peer: string;
  /** Undefined until the first report. */
  node: string | undefined;
  heardAtMs: number;
}

export class Registrations {
  readonly #table: RouteTable;
  readonly #onChange: () => void;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #reporters = new Set<Reporter>();
  readonly #current = new Map<string, Reporter>();

  constructor(table: RouteTable, onChange: () => void, log: Logger, clock: Clock) {
    this.#table = table;
    this.#onChange = onChange;
    this.#log = log;
    this.#clock = clock;
  }

  /** A broker began to report. */
  open(stream: MessageStream<RegistrationAnswerInput>, peer: string): StreamEvents<Registration> {
    const reporter: Reporter = { stream, peer, node: undefined, heardAtMs: this.#clock.nowMs() };
    this.#reporters.add(reporter);
    if (this.#reporters.size > MAX_STREAMS) {
      // Not from inside the call that opens the stream: its handlers are not in place yet.
      const error = new LograftError('OVERLOADED', `this router takes ${MAX_STREAMS} registrations`);
      this.#clock.soon(() => this.#refuse(reporter, error));
    }
    return {
      onMessage: (report) => this.#hear(reporter, report),
      onEnd: (error) => {
        this.#end(reporter, error === undefined ? 'ended' : String(error));
        stream.end();
      },
    };
  }

  /** Drops those that have said nothing for `silenceMs`. */
  dropSilent(silenceMs: number): void {
    const since = this.#clock.nowMs() - silenceMs;
    for (const reporter of [...this.#reporters]) {
      if (reporter.heardAtMs >= since) continue;
      const why = `no report for ${silenceMs} ms: the registration is dropped, register again`;
      this.#refuse(reporter, new LograftError('TIMED_OUT', why));
    }
  }

  close(error: LograftError): void {
    for (const reporter of [...this.#reporters]) this.#refuse(reporter, error);
  }

  #hear(reporter: Reporter, report: Registration): void {
    reporter.heardAtMs = this.#clock.nowMs();
    try {
      checkRegistration(report);
      this.#claimName(reporter, report.node);
    } catch (error) {
      this.#log.warn({ peer: reporter.peer, node: report.node, error: String(error) }, 'registration refused');
      return this.#refuse(reporter, error);
    }
    const before = this.#table.revision;
    for (const claim of this.#table.register(report))
      this.#log.warn(claim, 'claim to lead ignored: the known leader is as new or newer');
    reporter.stream.write({});
    if (this.#table.revision !== before) this.#onChange();
  }

  #claimName(reporter: Reporter, node: string): void {
    if (reporter.node === node) return;
    if (reporter.node !== undefined)
      throw new LograftError('INVALID_REQUEST', `a registration is about one node: ${reporter.node}, not ${node}`);
    if (!this.#current.has(node) && this.#current.size >= MAX_NODES)
      throw new LograftError('OVERLOADED', `this router takes ${MAX_NODES} nodes`);
    const former = this.#current.get(node);
    reporter.node = node;
    this.#current.set(node, reporter);
    this.#log.info({ node, peer: reporter.peer }, 'node registered');
    // The node came back before its old connection was seen to die.
    if (former !== undefined)
      this.#refuse(former, new LograftError('INVALID_REQUEST', `a newer registration of ${node} replaces this one`));
  }

  #refuse(reporter: Reporter, error: unknown): void {
    reporter.stream.cancel(error);
    this.#end(reporter, String(error));
  }

  #end(reporter: Reporter, why: string): void {
    if (!this.#reporters.delete(reporter)) return;
    const { node } = reporter;
    if (node === undefined || this.#current.get(node) !== reporter) return;
    this.#current.delete(node);
    this.#table.unregister(node);
    this.#log.info({ node, why }, 'node unregistered');
    this.#onChange();
  }
}
